//! Recall and precision losses through ranks, and the metrics of retrieval, words and matches.

use solvergrad::prelude::*;

mod common;

use common::{KINDS, random, smallest};

/// rkᵢ and rkᵢ⁺ of one query by counting, and the losses from them.
fn by_hand(scores: &[f64], relevant: &[f64]) -> (Vec<(f64, f64)>, f64) {
    let ahead = |i: usize, among: &dyn Fn(usize) -> bool| {
        (0..scores.len()).filter(|&j| among(j) && scores[j] > scores[i]).count() as f64 + 1.0
    };
    let ranks: Vec<(f64, f64)> = (0..scores.len())
        .filter(|&i| relevant[i] == 1.0)
        .map(|i| (ahead(i, &|_| true), ahead(i, &|j| relevant[j] == 1.0)))
        .collect();
    let precision = ranks.iter().map(|(all, among)| among / all).sum::<f64>() / ranks.len() as f64;
    (ranks, precision)
}

#[test]
fn the_losses_of_ranks_are_their_definition() {
    for kind in KINDS {
        let scores = random(&[20, 9], kind, 1);
        let relevant = smallest(&random(&[20, 9], kind, 2), 3);
        let ranks = SolverLayer::new(Ranking::new(9).unwrap(), Identity).forward(&scores).unwrap();
        let losses = [RecallWeight::Linear, RecallWeight::Log, RecallWeight::LogLog]
            .map(|weight| recall_loss(&ranks, &relevant, weight).unwrap());
        let precision = average_precision_loss(&ranks, &relevant).unwrap();
        assert_eq!(precision.size(), [20]);
        for query in 0..20 {
            let row = |tensor: &Tensor| {
                Vec::<f64>::try_from(tensor.get(query).to_kind(Kind::Double)).unwrap()
            };
            let (places, average) = by_hand(&row(&scores), &row(&relevant));
            let mean = |weight: fn(f64) -> f64| {
                places.iter().map(|(all, among)| weight(all - among)).sum::<f64>() / 3.0
            };
            let expected =
                [mean(|d| d), mean(|d| (1.0 + d).ln()), mean(|d| (1.0 + (1.0 + d).ln()).ln())];
            for (loss, expected) in losses.iter().zip(expected) {
                assert!((loss.double_value(&[query]) - expected).abs() < 1e-5);
            }
            assert!((precision.double_value(&[query]) - (1.0 - average)).abs() < 1e-5);
        }
    }
}

#[test]
fn the_slopes_by_ranks_are_those_of_finite_differences_with_fixed_ranks_among_the_relevant() {
    let relevant = Tensor::from_slice(&[0.0, 1.0, 0.0, 1.0, 1.0]);
    let ranks = Tensor::from_slice(&[1.0, 3.0, 2.0, 4.0, 5.0]);
    for weight in [RecallWeight::Linear, RecallWeight::Log, RecallWeight::LogLog] {
        let differentiated = ranks.detach().set_requires_grad(true);
        recall_loss(&differentiated, &relevant, weight).unwrap().backward();
        // A step of 1e-4 changes no order.
        let slope = solvergrad::check::jacobian(
            |ranks| Ok(recall_loss(ranks, &relevant, weight)?.view([1])),
            &ranks,
            1e-4,
        )
        .unwrap();
        assert!(differentiated.grad().allclose(&slope.view([5]), 1e-6, 1e-8, false), "{weight:?}");
        assert_eq!(differentiated.grad().double_value(&[0]), 0.0);
    }
    let differentiated = ranks.detach().set_requires_grad(true);
    average_precision_loss(&differentiated, &relevant).unwrap().backward();
    // d/drk of −rk⁺/rk = rk⁺/rk², over 3.
    let expected = Tensor::from_slice(&[0.0, 1.0 / 9.0, 0.0, 2.0 / 16.0, 3.0 / 25.0]) / 3.0;
    assert!(differentiated.grad().allclose(&expected, 1e-12, 1e-12, false));
}

#[test]
fn a_perfect_ranking_costs_nothing_and_learning_reaches_it() {
    let relevant = smallest(&random(&[8, 12], Kind::Double, 3), 3);
    let layer = SolverLayer::new(Ranking::new(12).unwrap(), Identity);
    let mut scores = random(&[8, 12], Kind::Double, 4);
    let perfect = layer.forward(&relevant).unwrap();
    for loss in [
        recall_loss(&perfect, &relevant, RecallWeight::LogLog),
        average_precision_loss(&perfect, &relevant),
    ] {
        assert_eq!(loss.unwrap().abs().max().double_value(&[]), 0.0);
    }
    for _ in 0..400 {
        let leaf = scores.detach().set_requires_grad(true);
        let ranks = layer.forward(&Projection::Std.apply(&leaf).unwrap()).unwrap();
        recall_loss(&ranks, &relevant, RecallWeight::LogLog).unwrap().sum(Kind::Double).backward();
        scores -= leaf.grad() * 2.0;
    }
    assert_eq!(metric::recall_at(&scores, &relevant, 1).unwrap(), 1.0);
    // Without a relevant item there is nothing to find.
    let none = recall_loss(&perfect, &relevant.zeros_like(), RecallWeight::Log).unwrap();
    assert_eq!(none.abs().max().double_value(&[]), 0.0);
    assert!(recall_loss(&perfect, &relevant.get(0), RecallWeight::Log).is_err());
}

#[test]
fn metrics_of_retrieval_words_and_matches() {
    let scores = Tensor::from_slice2(&[[0.9, 0.5, 0.1], [0.1, 0.5, 0.9]]);
    let relevant = Tensor::from_slice2(&[[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]);
    assert_eq!(metric::recall_at(&scores, &relevant, 1).unwrap(), 0.5);
    assert_eq!(metric::recall_at(&scores, &relevant, 2).unwrap(), 1.0);
    for k in [0, 4] {
        let message = metric::recall_at(&scores, &relevant, k).unwrap_err().to_string();
        assert!(message.contains("3 items"), "{message}");
    }
    let selected = Tensor::from_slice2(&[[1.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]]);
    let annotated = Tensor::from_slice2(&[[1.0, 0.0, 1.0, 0.0], [1.0, 1.0, 0.0, 0.0]]);
    // Two of three; the second review has one word where two were to be chosen.
    assert_eq!(metric::subset_precision(&selected, &annotated, 1).unwrap(), 2.0 / 3.0);
    assert_eq!(metric::subset_precision(&selected, &annotated, 2).unwrap(), 2.0 / 4.0);
    let truth = Tensor::from_slice2(&[[1.0, 0.0], [0.0, 1.0]]).unsqueeze(0);
    let found = Tensor::from_slice2(&[[1.0, 0.0], [0.0, 0.0]]).unsqueeze(0);
    assert_eq!(metric::matching_accuracy(&found, &truth).unwrap(), 0.5);
    assert_eq!(metric::matching_accuracy(&found, &truth.zeros_like()).unwrap(), 1.0);
    assert_eq!(metric::hamming_accuracy(&found, &truth).unwrap(), 0.75);
}

#[test]
fn unambiguous_regret_takes_the_worst_of_a_tie() {
    let solver = KSubset::new(3, 1).unwrap();
    let costs = Tensor::from_slice2(&[[1.0, 2.0, 4.0]]);
    let best = Tensor::from_slice2(&[[1.0, 0.0, 0.0]]);
    // All three tied: the solver's own choice is lucky, the worst costs 3 more.
    let tied = Tensor::from_slice2(&[[0.5, 0.5, 0.5]]);
    let found = SolverLayer::new(solver, Identity).forward(&tied).unwrap();
    assert_eq!(metric::regret(&costs, &found, &best).unwrap(), 0.0);
    assert_eq!(metric::unambiguous_regret(&solver, &tied, &costs, &best).unwrap(), 3.0);
    // Without a tie both are the same, also for costs below 0 and of any size.
    for scale in [1e-9, 1.0, -1.0, 1e9] {
        let w = random(&[30, 3], Kind::Double, 5) * scale;
        let c = random(&[30, 3], Kind::Double, 6);
        let (found, best) = (smallest(&w, 1), smallest(&c, 1));
        let plain = metric::regret(&c, &found, &best).unwrap();
        let unambiguous = metric::unambiguous_regret(&solver, &w, &c, &best).unwrap();
        assert!((plain - unambiguous).abs() < 1e-12 && plain > 0.0, "{scale}");
    }
    // A solver with a domain, and the shape of a grid.
    let grid = GridShortestPath::new(2, 2).unwrap();
    let flat = Tensor::zeros([1, 2, 2], (Kind::Double, Device::Cpu));
    let c = Tensor::from_slice(&[1.0, 2.0, 3.0, 1.0]).view([1, 2, 2]);
    let best = SolverLayer::new(grid.clone(), Identity).forward(&c).unwrap();
    assert!(metric::unambiguous_regret(&grid, &flat, &c, &best).is_ok());
}
