//! Projections, planes, margins and their order: with every rule, in direction and scale, and without
//! a wait for the device.

use solvergrad::check::{host_waits, jacobian};
use solvergrad::prelude::*;

mod common;

use common::{KINDS, random, smallest};

fn close(a: &Tensor, b: &Tensor, tolerance: f64) -> bool {
    a.size() == b.size() && a.kind() == b.kind() && a.allclose(b, tolerance, tolerance, false)
}

/// A rule's dL/dw from costs w and g = dL/dy, by its formula and libtorch's top-k.
type Formula = fn(&Tensor, &Tensor) -> Tensor;

fn rules() -> Vec<(SolverLayer, Formula)> {
    let solver = || KSubset::new(6, 2).unwrap();
    vec![
        (SolverLayer::new(solver(), Identity), |_, g| -g),
        (SolverLayer::new(solver(), Blackbox::new(2.5).unwrap()), |w, g| {
            (smallest(&(w + g * 2.5), 2) - smallest(w, 2)) / 2.5
        }),
        (
            SolverLayer::new(solver(), ImplicitMle::new(2.5, ImplicitMleScale::Plain).unwrap()),
            |w, g| smallest(&(w + g * 2.5), 2) - smallest(w, 2),
        ),
        (SolverLayer::new(solver(), Lpgd::new(0.7, LpgdSide::Average).unwrap()), |w, g| {
            (smallest(&(w + g * 0.7), 2) - smallest(&(w - g * 0.7), 2)) / 1.4
        }),
        (SolverLayer::new(solver(), StraightThrough::new(0.7).unwrap()), |w, g| {
            let p = (w / -0.7).softmax(-1, None);
            let mean = (&p * g).sum_dim_intlist(-1, true, None);
            -(p * (g - mean)) * (2.0 / 0.7)
        }),
    ]
}

/// Every rule, projection, margin and order: P'ᵀ times what the rule's formula gives at the costs that
/// the solver sees, with a Jacobian by finite differences.
#[test]
fn every_cell_of_the_grid_is_the_chain_rule() {
    let (w, g) = (random(&[3, 6], Kind::Double, 1), random(&[3, 6], Kind::Double, 2));
    let truth = smallest(&random(&[3, 6], Kind::Double, 3), 2);
    let mut cells = 0;
    for (layer, formula) in rules() {
        for projection in Projection::ALL {
            for margin in [
                Margin::None,
                Margin::Noise { alpha: 0.3 },
                Margin::Informed { alpha: 0.3 },
                Margin::InformedMatches { alpha: 0.3 },
            ] {
                for order in [Order::MarginFirst, Order::ProjectionFirst] {
                    let conditioning = Conditioning { projection, margin, order };
                    let costs = w.detach().set_requires_grad(true);
                    let seen = conditioning.apply(&costs, Some(&truth), 4).unwrap();
                    (layer.forward(&seen).unwrap() * &g).sum(Kind::Double).backward();
                    let answer = formula(&seen.detach(), &g);
                    for row in 0..3 {
                        // The margin is a constant: its place is where P is differentiated.
                        let at = match order {
                            Order::MarginFirst => margin.apply(&w, Some(&truth), 4).unwrap(),
                            Order::ProjectionFirst => w.shallow_clone(),
                        };
                        let jacobian =
                            jacobian(|x| projection.apply(x), &at.get(row), 1e-6).unwrap();
                        let expected = jacobian.transpose(0, 1).matmul(&answer.get(row));
                        assert!(
                            close(&costs.grad().get(row), &expected, 1e-6),
                            "{conditioning:?} {layer:?}"
                        );
                    }
                    cells += i32::from(answer.abs().sum(Kind::Double).double_value(&[]) > 0.0);
                }
            }
        }
    }
    assert!(cells > 150, "only {cells} of 160 cells have a gradient: the rest tested nothing");
}

#[test]
fn the_order_of_margin_and_projection_is_what_it_says() {
    let w = random(&[4, 6], Kind::Double, 5);
    let margin = Margin::Noise { alpha: 0.5 };
    let with = |order| Conditioning { projection: Projection::Std, margin, order };
    let first = with(Order::MarginFirst).apply(&w, None, 6).unwrap();
    let moved = margin.apply(&w, None, 6).unwrap();
    assert!(first.equal(&Projection::Std.apply(&moved).unwrap()));
    let second = with(Order::ProjectionFirst).apply(&w, None, 6).unwrap();
    let apart = second - Projection::Std.apply(&w).unwrap();
    assert!(close(&apart.abs(), &w.full_like(0.25), 1e-12));
    assert_eq!(Conditioning::default().order, Order::MarginFirst);
    let without = with(Order::MarginFirst).without_margin().apply(&w, None, 6).unwrap();
    assert!(without.equal(&Projection::Std.apply(&w).unwrap()));
}

#[test]
fn an_instance_without_direction_is_zero_and_has_no_gradient() {
    for kind in KINDS {
        let constant = Tensor::full([1, 6], 0.1, (kind, Device::Cpu));
        let rows = Tensor::cat(&[random(&[2, 6], kind, 7), constant.zeros_like(), constant], 0);
        for (projection, degenerate) in [(Projection::Norm, vec![2]), (Projection::Std, vec![2, 3])]
        {
            let costs = rows.detach().set_requires_grad(true);
            let projected = projection.apply(&costs).unwrap();
            (&projected * random(&[4, 6], kind, 8)).sum(kind).backward();
            let size = |tensor: &Tensor, row| tensor.get(row).norm().double_value(&[]);
            for row in 0..4 {
                let expected = if degenerate.contains(&row) { 0.0 } else { 1.0 };
                assert!((size(&projected, row) - expected).abs() < 1e-6, "{projection:?} {row}");
                assert_eq!(
                    size(&costs.grad(), row) == 0.0,
                    expected == 0.0,
                    "{projection:?} {row}"
                );
            }
        }
        // A number that is none stays one, for the solver to name.
        let nan = Tensor::full([1, 6], f64::NAN, (kind, Device::Cpu));
        assert_eq!(Projection::Std.apply(&nan).unwrap().isnan().all().int64_value(&[]), 1);
    }
}

#[test]
fn a_plane_is_orthogonal_to_its_normal_and_the_mean_is_one() {
    for kind in KINDS {
        let (w, g) = (random(&[5, 6], kind, 9), random(&[5, 6], kind, 10));
        let ones = Plane::new(&[3.0; 6]).unwrap();
        assert!(close(&ones.apply(&w).unwrap(), &Projection::Mean.apply(&w).unwrap(), 1e-5));
        let normal = [2.0, 0.0, -1.0, 0.5, 0.0, 1.0];
        let (plane, a) = (Plane::new(&normal).unwrap(), Tensor::from_slice(&normal).to_kind(kind));
        let costs = w.detach().set_requires_grad(true);
        let projected = plane.apply(&costs).unwrap();
        let along = |tensor: &Tensor| tensor.matmul(&a).abs().max().double_value(&[]);
        assert!(along(&projected) < 1e-5 && along(&w) > 0.1);
        assert!(close(&plane.apply(&projected).unwrap(), &projected, 1e-5));
        (projected * &g).sum(kind).backward();
        assert!(close(&costs.grad(), &plane.apply(&g).unwrap(), 1e-5));
    }
    // Choosing 2 of each 3 satisfies ⟨a, y⟩ = 2 for a = (1, 1, 1, 0, 0, 0): the solution stays.
    let groups = Closure::new(6, |costs, solution| {
        for (costs, solution) in costs.chunks(3).zip(solution.chunks_mut(3)) {
            KSubset::new(3, 2)?.solve(costs, solution)?;
        }
        Ok(())
    });
    let layer = SolverLayer::new(groups, Identity);
    let w =
        random(&[50, 6], Kind::Double, 11) + Tensor::from_slice(&[5.0, 5.0, 5.0, 0.0, 0.0, 0.0]);
    let plane = Plane::new(&[1.0, 1.0, 1.0, 0.0, 0.0, 0.0]).unwrap();
    let solution = layer.forward(&plane.apply(&w).unwrap()).unwrap();
    assert!(solution.equal(&layer.forward(&w).unwrap()));
    let huge = Plane::new(&[1e300, 1e300, 0.0]).unwrap();
    let projected = huge.apply(&Tensor::from_slice(&[1.0, 0.0, 2.0])).unwrap();
    assert!(close(&projected, &Tensor::from_slice(&[0.5, -0.5, 2.0]), 1e-12));
    for normal in [vec![0.0; 3], vec![f64::NAN, 1.0], vec![f64::INFINITY], vec![]] {
        assert!(Plane::new(&normal).is_err(), "{normal:?}");
    }
    let message = huge.apply(&Tensor::from_slice(&[1.0])).unwrap_err().to_string();
    assert!(message.contains("[..., 3]"), "{message}");
}

#[test]
fn a_schedule_scales_the_margin() {
    let alpha =
        |schedule: MarginSchedule, epoch| match schedule.at(Margin::Noise { alpha: 0.6 }, epoch) {
            Margin::Noise { alpha } => alpha,
            other => panic!("{other:?}"),
        };
    let all = |schedule| (1..=5).map(|epoch| alpha(schedule, epoch)).collect::<Vec<_>>();
    assert_eq!(all(MarginSchedule::Constant), [0.6; 5]);
    assert_eq!(all(MarginSchedule::Until { epoch: 2 }), [0.6, 0.6, 0.0, 0.0, 0.0]);
    let falling = all(MarginSchedule::Linear { epoch: 3 });
    for (found, expected) in falling.iter().zip([0.6, 0.4, 0.2, 0.0, 0.0]) {
        assert!((found - expected).abs() < 1e-12, "{falling:?}");
    }
    assert_eq!(all(MarginSchedule::Linear { epoch: 0 }), [0.0; 5]);
}

/// On a GPU nothing of this reads a value back or copies between devices; on the CPU the parts that are
/// expressions of tensors do not, either.
#[test]
fn what_stays_on_the_device_never_waits_for_the_host() {
    let device = Device::cuda_if_available();
    let costs = random(&[7, 6], Kind::Float, 12).to_device(device);
    let truth = smallest(&costs, 2);
    for projection in Projection::ALL {
        for margin in [Margin::Informed { alpha: 0.1 }, Margin::Noise { alpha: 0.1 }] {
            let w = costs.detach().set_requires_grad(true);
            let conditioning = Conditioning { projection, margin, ..Conditioning::default() };
            let ((), waits) = host_waits(|| {
                let seen = conditioning.apply(&w, Some(&truth), 1).unwrap();
                let subset = SolverLayer::new(KSubset::new(6, 2).unwrap(), Identity);
                let ranking = SolverLayer::new(Ranking::new(6).unwrap(), Identity);
                let loss = hamming_loss(&subset.forward(&seen).unwrap(), &truth).unwrap();
                let ranks = ranking.forward(&seen).unwrap();
                let recall = recall_loss(&ranks, &truth, RecallWeight::LogLog).unwrap();
                (loss + recall).sum(Kind::Float).backward();
            });
            assert_eq!(waits, 0, "{conditioning:?} on {device:?}");
            assert!(w.grad().abs().sum(Kind::Float).double_value(&[]) > 0.0);
        }
    }
    let (_, waits) = host_waits(|| Projection::Std.apply_strictly(&costs).unwrap());
    assert!(waits > 0, "the strict form has to look");
}
