//! One end of the search: the cells reached from it, and those among them whose turn is to come.

/// Buckets of the calendar: the bits of a mask.
const BUCKETS: usize = 64;
const NOBODY: u32 = u32::MAX;

/// A calendar queue that takes each cell once, with its final distance.
pub struct Frontier {
    /// Cells that are closed or have been reached.
    pub seen: Vec<bool>,
    pub from: Vec<u32>,
    /// Cost of the way to a cell, both ends included.
    pub distance: Vec<f64>,
    /// Cells of a bucket, as lists: the cell that follows each.
    next: Vec<u32>,
    heads: [u32; BUCKETS],
    filled: u64,
    /// Number of the bucket being settled; the calendar turns with it.
    current: u64,
    /// Buckets per unit of cost.
    per_width: f64,
    /// The bucket being settled: nearest cell last.
    active: Vec<(f64, u32)>,
}

impl Default for Frontier {
    fn default() -> Self {
        Self {
            seen: Vec::new(),
            from: Vec::new(),
            distance: Vec::new(),
            next: Vec::new(),
            heads: [NOBODY; BUCKETS],
            filled: 0,
            current: 0,
            per_width: 0.0,
            active: Vec::new(),
        }
    }
}

impl Frontier {
    /// Begins with the cell `end`, whose cost is `price`; no cost is above `largest`.
    pub fn start(&mut self, closed: &[bool], end: usize, price: f64, largest: f64) {
        self.seen.clear();
        self.seen.extend_from_slice(closed);
        self.from.resize(closed.len(), 0);
        self.distance.resize(closed.len(), 0.0);
        self.next.resize(closed.len(), NOBODY);
        self.heads = [NOBODY; BUCKETS];
        self.filled = 0;
        self.current = 0;
        // All costs 0, or too small to divide by: one bucket, whose order is exact all the same.
        let per_width = (BUCKETS - 2) as f64 / largest;
        self.per_width = if per_width.is_finite() { per_width } else { 0.0 };
        self.active.clear();
        self.active.push((price, end as u32));
        self.current = (price * self.per_width) as u64;
        self.seen[end] = true;
        self.distance[end] = price;
    }

    /// The nearest cell not yet settled; of equals the first in row-major order.
    #[inline]
    pub fn pop(&mut self) -> Option<(f64, u32)> {
        loop {
            if let Some(nearest) = self.active.pop() {
                return Some(nearest);
            }
            if self.filled == 0 {
                return None;
            }
            let turned = self.filled.rotate_right((self.current % BUCKETS as u64) as u32);
            self.current += u64::from(turned.trailing_zeros());
            let slot = (self.current % BUCKETS as u64) as usize;
            self.filled &= !(1 << slot);
            let mut cell = std::mem::replace(&mut self.heads[slot], NOBODY);
            while cell != NOBODY {
                self.insert(self.distance[cell as usize], cell);
                cell = self.next[cell as usize];
            }
        }
    }

    /// A cell reached for the first time.
    #[inline]
    pub fn push(&mut self, distance: f64, cell: usize, from: u32) {
        self.from[cell] = from;
        self.distance[cell] = distance;
        // Within 63 buckets of the current one, since no cost is above 62 widths.
        let bucket = (distance * self.per_width) as u64;
        if bucket <= self.current {
            return self.insert(distance, cell as u32);
        }
        let slot = (bucket % BUCKETS as u64) as usize;
        self.next[cell] = self.heads[slot];
        self.heads[slot] = cell as u32;
        self.filled |= 1 << slot;
    }

    fn insert(&mut self, distance: f64, cell: u32) {
        // Most lists are short, and most cells belong near the end.
        let near = self.active.len().saturating_sub(8);
        let farther = |&other: &(f64, u32)| other > (distance, cell);
        let place = match self.active[near..].iter().rposition(farther) {
            Some(place) => near + place + 1,
            None => self.active[..near].partition_point(farther),
        };
        self.active.insert(place, (distance, cell));
    }
}
