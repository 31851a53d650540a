//! Held and Karp's dynamic program over subsets, for few cities.

/// Writes the cheapest tour of the k >= 3 cities of the symmetric matrix `cost` into `order`.
///
/// The table holds, for each subset S of the cities but the last and each j in S, the length of
/// the shortest path from the last city through all of S that ends in j: O(2^k k) numbers, O(2^k k²)
/// steps. Ties go to the lower city.
pub(super) fn solve(k: usize, cost: &[f64], table: &mut Vec<f64>, order: &mut Vec<u32>) {
    let others = k - 1;
    let from_base = &cost[others * k..][..others];
    table.clear();
    table.resize(others << others, f64::INFINITY);
    for set in 1usize..1 << others {
        let mut ends = set;
        while ends != 0 {
            let end = ends.trailing_zeros() as usize;
            ends &= ends - 1;
            let rest = set ^ (1 << end);
            let length = if rest == 0 {
                from_base[end]
            } else {
                shortest(rest, &table[rest * others..][..others], &cost[end * k..][..others]).0
            };
            table[set * others + end] = length;
        }
    }
    order.clear();
    order.push(others as u32);
    let mut set = (1usize << others) - 1;
    let mut towards = from_base;
    while set != 0 {
        let (_, end) = shortest(set, &table[set * others..][..others], towards);
        order.push(end as u32);
        set ^= 1 << end;
        towards = &cost[end * k..][..others];
    }
}

/// The least `path[i]` + `step[i]` over the members i of `set`, and the first such i.
fn shortest(set: usize, path: &[f64], step: &[f64]) -> (f64, usize) {
    let mut best = (f64::INFINITY, 0);
    let mut members = set;
    while members != 0 {
        let member = members.trailing_zeros() as usize;
        members &= members - 1;
        let length = path[member] + step[member];
        if length < best.0 {
            best = (length, member);
        }
    }
    best
}
