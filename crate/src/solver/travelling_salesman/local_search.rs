//! Good tours: nearest neighbour, chains of 2-opt moves in the manner of Lin and Kernighan,
//! Or-opt, and kicks.

/// Candidate neighbours per city.
const WIDTH: usize = 8;
/// Candidates tried at each depth of a chain.
const BREADTH: [usize; 6] = [5, 3, 2, 1, 1, 1];

/// A tour as an order of cities, and what improving it needs.
#[derive(Debug, Default)]
pub(super) struct Tour {
    pub(super) order: Vec<u32>,
    pub(super) length: f64,
    position: Vec<u32>,
    candidates: Vec<u32>,
    /// Cities whose surroundings have changed since they were last looked at.
    queue: Vec<u32>,
    queued: Vec<bool>,
    rearranged: Vec<u32>,
    kept: Vec<u32>,
}

impl Tour {
    /// Starts from `order`, a permutation of the cities.
    pub(super) fn set(&mut self, cost: &[f64], order: impl Iterator<Item = u32>) {
        self.order.clear();
        self.order.extend(order);
        self.index();
        self.length = self.measure(cost);
    }

    /// Starts from the nearest neighbour tour of city 0.
    pub(super) fn set_nearest_neighbour(&mut self, k: usize, cost: &[f64]) {
        self.order.clear();
        self.order.extend(0..k as u32);
        for place in 1..k {
            let row = &cost[self.order[place - 1] as usize * k..][..k];
            let nearest = (place..k)
                .min_by(|&a, &b| {
                    row[self.order[a] as usize].total_cmp(&row[self.order[b] as usize])
                })
                .unwrap_or(place);
            self.order.swap(place, nearest);
        }
        self.index();
        self.length = self.measure(cost);
    }

    /// Length of the tour, added up afresh.
    pub(super) fn measure(&self, cost: &[f64]) -> f64 {
        let k = self.order.len();
        let mut previous = self.order[k - 1] as usize;
        let mut length = 0.0;
        for &city in &self.order {
            length += cost[previous * k + city as usize];
            previous = city as usize;
        }
        length
    }

    fn index(&mut self) {
        self.position.resize(self.order.len(), 0);
        for (place, &city) in self.order.iter().enumerate() {
            self.position[city as usize] = place as u32;
        }
    }

    /// Takes as candidates of each city its nearest ones by c_ij + π_i + π_j.
    pub(super) fn set_candidates(&mut self, k: usize, cost: &[f64], potential: &[f64]) {
        let width = WIDTH.min(k - 1);
        self.candidates.clear();
        let mut nearest = [(f64::INFINITY, 0u32); WIDTH + 1];
        for city in 0..k {
            let mut found = 0;
            let row = &cost[city * k..][..k];
            for (other, (&cost, &potential)) in row.iter().zip(potential).enumerate() {
                let key = cost + potential;
                if other == city || (found == width && key >= nearest[width - 1].0) {
                    continue;
                }
                let mut place = found;
                while place > 0 && nearest[place - 1].0 > key {
                    nearest[place] = nearest[place - 1];
                    place -= 1;
                }
                nearest[place] = (key, other as u32);
                found = (found + 1).min(width);
            }
            self.candidates.extend(nearest[..width].iter().map(|&(_, other)| other));
        }
    }

    /// Improves the tour from every city until no move helps.
    pub(super) fn optimise(&mut self, cost: &[f64]) {
        let k = self.order.len();
        self.queue.clear();
        self.queued.clear();
        self.queued.resize(k, true);
        self.queue.extend(self.order.iter().rev());
        self.descend(cost);
    }

    /// Kicks the tour `kicks` times and keeps what is not worse, until its length is `enough`.
    pub(super) fn kick(&mut self, cost: &[f64], kicks: usize, enough: f64, random: &mut Random) {
        let k = self.order.len();
        if k < 8 {
            return;
        }
        for _ in 0..kicks {
            if self.length <= enough {
                return;
            }
            self.kept.clone_from(&self.order);
            let kept_length = self.length;
            self.exchange_segments(cost, random);
            self.descend(cost);
            if self.length > kept_length {
                std::mem::swap(&mut self.order, &mut self.kept);
                self.length = kept_length;
                self.index();
            }
        }
    }

    /// Exchanges two adjacent short random segments: a change that no chain of flips undoes
    /// easily.
    fn exchange_segments(&mut self, cost: &[f64], random: &mut Random) {
        let k = self.order.len();
        let longest = (k / 3).min(12);
        let start = random.below(k);
        let first = 1 + random.below(longest);
        let second = 1 + random.below(longest);
        self.rearranged.clear();
        self.rearranged.extend((0..first + second).map(|i| self.order[(start + i) % k]));
        self.rearranged.rotate_left(first);
        let before = self.order[(start + k - 1) % k];
        let after = self.order[(start + first + second) % k];
        for i in 0..first + second {
            let (place, city) = ((start + i) % k, self.rearranged[i]);
            self.order[place] = city;
            self.position[city as usize] = place as u32;
        }
        self.length = self.measure(cost);
        for end in [0, second - 1, second, first + second - 1] {
            self.enqueue(self.rearranged[end]);
        }
        self.enqueue(before);
        self.enqueue(after);
    }

    fn enqueue(&mut self, city: u32) {
        if !std::mem::replace(&mut self.queued[city as usize], true) {
            self.queue.push(city);
        }
    }

    fn descend(&mut self, cost: &[f64]) {
        // Below this a gain may be rounding, and the descent go round in circles.
        let least = 1e-13 * self.length;
        while let Some(city) = self.queue.pop() {
            self.queued[city as usize] = false;
            while self.improve(cost, city, least) {
                self.enqueue(city);
            }
        }
    }

    fn next(&self, city: u32, forward: bool) -> u32 {
        let k = self.order.len();
        let place = self.position[city as usize] as usize;
        if forward {
            self.order[if place + 1 == k { 0 } else { place + 1 }]
        } else {
            self.order[if place == 0 { k - 1 } else { place - 1 }]
        }
    }

    fn improve(&mut self, cost: &[f64], city: u32, least: f64) -> bool {
        let k = self.order.len();
        for forward in [true, false] {
            let neighbour = self.next(city, forward);
            let removed = cost[city as usize * k + neighbour as usize];
            if self.chain(cost, [city, neighbour], removed, 0, forward, least) {
                self.enqueue(neighbour);
                return true;
            }
        }
        self.move_segment(cost, city, least)
    }

    /// Tries to improve the tour by a chain of 2-opt moves that all share the city `base`: the
    /// edge (`base`, `end`) has been removed, and `gain` is what the chain has won so far.
    fn chain(
        &mut self,
        cost: &[f64],
        [base, end]: [u32; 2],
        gain: f64,
        depth: usize,
        forward: bool,
        least: f64,
    ) -> bool {
        let k = self.order.len();
        let width = self.candidates.len() / k;
        let mut tried = 0;
        for choice in 0..width {
            let joined = self.candidates[end as usize * width + choice];
            let open = gain - cost[end as usize * k + joined as usize];
            if open <= least || joined == base {
                continue;
            }
            let cut = self.next(joined, !forward);
            if cut == end {
                continue;
            }
            let open = open + cost[joined as usize * k + cut as usize];
            let closed = open - cost[cut as usize * k + base as usize];
            if closed <= least && (depth + 1 == BREADTH.len() || tried == BREADTH[depth]) {
                continue;
            }
            let ahead = self.flip(end, cut, forward);
            if closed > least {
                self.length -= closed;
            } else {
                tried += 1;
                if !self.chain(cost, [base, cut], open, depth + 1, ahead, least) {
                    self.flip(cut, end, ahead);
                    continue;
                }
            }
            self.enqueue(end);
            self.enqueue(joined);
            self.enqueue(cut);
            return true;
        }
        false
    }

    /// Reverses the path from `first` to `last`, in the given direction of travel, or the rest of
    /// the tour, which is the same change; returns the direction in which travel now goes on from
    /// the city before the path to `last`.
    fn flip(&mut self, first: u32, last: u32, forward: bool) -> bool {
        let (first, last) = if forward { (first, last) } else { (last, first) };
        let k = self.order.len();
        let mut low = self.position[first as usize] as usize;
        let mut high = self.position[last as usize] as usize;
        let mut size = if high >= low { high - low } else { high + k - low } + 1;
        let rest = 2 * size > k;
        if rest {
            size = k - size;
            (low, high) = ((high + 1) % k, (low + k - 1) % k);
        }
        for _ in 0..size / 2 {
            self.order.swap(low, high);
            self.position[self.order[low] as usize] = low as u32;
            self.position[self.order[high] as usize] = high as u32;
            low = if low + 1 == k { 0 } else { low + 1 };
            high = if high == 0 { k } else { high } - 1;
        }
        forward != rest
    }

    /// Tries to move a segment of one to three cities that starts at `head` to between two other
    /// cities, next to a candidate of `head`.
    fn move_segment(&mut self, cost: &[f64], head: u32, least: f64) -> bool {
        let k = self.order.len();
        let width = self.candidates.len() / k;
        let edge = |a: u32, b: u32| cost[a as usize * k + b as usize];
        for forward in [true, false] {
            let before = self.next(head, !forward);
            let mut tail = head;
            for size in 1..=3.min(k.saturating_sub(3)) {
                if size > 1 {
                    tail = self.next(tail, forward);
                }
                let after = self.next(tail, forward);
                let removed = edge(before, head) + edge(tail, after) - edge(before, after);
                for choice in 0..width {
                    let near = self.candidates[head as usize * width + choice];
                    let open = removed - edge(near, head);
                    let offset = self.steps(head, near, forward);
                    if open <= least || offset < size {
                        continue;
                    }
                    for far in [self.next(near, forward), self.next(near, !forward)] {
                        let far_offset = self.steps(head, far, forward);
                        // Within the segment, or the place where it is now.
                        if far_offset < size || offset.abs_diff(far_offset) != 1 {
                            continue;
                        }
                        let gain = open - edge(tail, far) + edge(near, far);
                        if gain <= least {
                            continue;
                        }
                        self.splice(head, size, [offset, far_offset], forward);
                        self.length -= gain;
                        for city in [before, after, near, far, tail] {
                            self.enqueue(city);
                        }
                        return true;
                    }
                }
            }
        }
        false
    }

    /// Steps from one city to another, in the given direction of travel.
    fn steps(&self, from: u32, to: u32, forward: bool) -> usize {
        let k = self.order.len();
        let (from, to) = if forward { (from, to) } else { (to, from) };
        let (from, to) =
            (self.position[from as usize] as usize, self.position[to as usize] as usize);
        if to >= from { to - from } else { to + k - from }
    }

    /// Writes the order anew with the `size` cities from `head` on moved to between the cities
    /// `near` and `far` steps away, `head` next to the near one.
    fn splice(&mut self, head: u32, size: usize, [near, far]: [usize; 2], forward: bool) {
        let k = self.order.len();
        let start = self.position[head as usize] as usize;
        let at = |step: usize| (if forward { start + step } else { start + 2 * k - step }) % k;
        let mut rearranged = std::mem::take(&mut self.rearranged);
        rearranged.clear();
        for step in size..k {
            rearranged.push(self.order[at(step)]);
            if step == near.min(far) {
                if near < far {
                    rearranged.extend((0..size).map(|step| self.order[at(step)]));
                } else {
                    rearranged.extend((0..size).rev().map(|step| self.order[at(step)]));
                }
            }
        }
        std::mem::swap(&mut self.order, &mut rearranged);
        self.rearranged = rearranged;
        self.index();
    }
}

/// Marsaglia's xorshift: the same kicks in every solve.
#[derive(Debug)]
pub(super) struct Random(pub(super) u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 33) as usize * bound) >> 31
    }
}
