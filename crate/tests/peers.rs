//! Ours beside Python's peers on their inputs and their noise: value and gradient, to 1e-5.
//!
//! `docker/cross_check.py` has PyEPO and Optax compute tests/peers.json; `SOLVERGRAD_PEERS_FILE`
//! names another file, such as one computed just now. Each function below gives what ours says of a
//! case and, where the peer follows another paper or none, states the factor between the two:
//! `src/gradient/conventions.md` lists them for users. A case of a method without a function fails.
//!
//! Inputs are in the peer's terms. Where it maximises they are scores, and ours solves costs = −scores:
//! the one sign, on costs and on what is added to them, is [`Case::sign`].

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value};
use solvergrad::prelude::*;

const KINDS: [Kind; 2] = [Kind::Float, Kind::Double];

/// Value and gradient.
type Answer = (Tensor, Tensor);
type Ours = fn(&Case, Kind) -> Answer;

const METHODS: &[(&str, Ours)] = &[
    ("negativeIdentity", identity),
    ("blackboxOpt", blackbox),
    ("perturbedOpt", perturbed_additive),
    ("perturbedOptMul", perturbed_multiplicative),
    ("perturbedFenchelYoung", fenchel_young_additive),
    ("perturbedFenchelYoungMul", fenchel_young_multiplicative),
    ("implicitMLE", implicit_mle),
    ("adaptiveImplicitMLE", adaptive_implicit_mle),
    ("SPOPlus", spo),
    ("perturbationGradient", perturbation),
    ("noiseContrastiveEstimation", noise_contrastive_loss),
    ("contrastiveMAP", contrastive_map_loss),
    ("listwiseLearningToRank", listwise),
    ("pairwiseLearningToRank", pairwise),
    ("pointwiseLearningToRank", pointwise),
    ("coneAlignedCosine", cone),
    ("make_perturbed_fun", optax_perturbed),
];

/// Methods of the file that ours has no counterpart of yet.
const PENDING: &[&str] = &[];

#[derive(Deserialize)]
struct File {
    n: usize,
    k: usize,
    cases: Vec<Case>,
}

/// What a peer computed.
#[derive(Deserialize)]
struct Case {
    peer: String,
    method: String,
    maximise: bool,
    parameters: Map<String, Value>,
    inputs: BTreeMap<String, Value>,
    #[serde(default)]
    noise: Value,
    value: Value,
    gradient: Value,
    #[serde(skip)]
    size: (usize, usize),
}

fn cases() -> Vec<Case> {
    let path = std::env::var("SOLVERGRAD_PEERS_FILE")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers.json").into());
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let File { n, k, cases } = serde_json::from_str(&text).unwrap();
    cases.into_iter().map(|case| Case { size: (n, k), ..case }).collect()
}

/// A tensor from lists of lists.
fn tensor(value: &Value, kind: Kind) -> Tensor {
    match value.as_array() {
        Some(rows) => {
            Tensor::stack(&rows.iter().map(|row| tensor(row, kind)).collect::<Vec<_>>(), 0)
        }
        None => Tensor::from(value.as_f64().unwrap()).to_kind(kind),
    }
}

impl Case {
    fn name(&self) -> String {
        format!("{} {} {:?} maximise {}", self.peer, self.method, self.parameters, self.maximise)
    }

    fn solver(&self) -> KSubset {
        KSubset::new(self.size.0, self.size.1).unwrap()
    }

    fn number(&self, parameter: &str) -> f64 {
        self.parameters[parameter].as_f64().unwrap()
    }

    fn is(&self, parameter: &str) -> bool {
        self.parameters.get(parameter).is_some_and(|value| value.as_bool().unwrap())
    }

    fn input(&self, name: &str, kind: Kind) -> Tensor {
        tensor(&self.inputs[name], kind)
    }

    /// −1 where the peer's costs are scores to be maximised.
    fn sign(&self) -> f64 {
        if self.maximise { -1.0 } else { 1.0 }
    }

    fn true_costs(&self, kind: Kind) -> Tensor {
        self.input("true_costs", kind) * self.sign()
    }

    /// What the peer adds to its costs, as what ours adds.
    fn noise(&self, kind: Kind) -> Tensor {
        tensor(&self.noise, kind) * self.sign()
    }

    /// The value of `ours` at the costs, and the gradient of ⟨upstream, value⟩ by the peer's costs.
    fn answer(&self, kind: Kind, ours: impl FnOnce(&Tensor) -> Result<Tensor>) -> Answer {
        let leaf = self.input("costs", kind).set_requires_grad(true);
        let value = ours(&(&leaf * self.sign())).unwrap();
        (&value * self.input("upstream", kind)).sum(kind).backward();
        (value.detach(), leaf.grad())
    }

    fn perturbed(&self, samples: &str, perturbation: Perturbation) -> Perturbed {
        Perturbed::new(self.solver(), self.number("sigma"), self.number(samples) as usize)
            .unwrap()
            .with_perturbation(perturbation)
    }

    /// Ours keeps a value for each instance; PyEPO's default is the mean over them, factor 1/B.
    fn reduced(&self, loss: Tensor) -> Tensor {
        match self.parameters["reduction"].as_str().unwrap() {
            "none" => loss,
            "sum" => loss.sum(loss.kind()),
            "mean" => loss.sum(loss.kind()) / loss.size()[0] as f64,
            other => panic!("reduction {other}"),
        }
    }
}

/// Factor 1: both are Sahoo et al. 2023, without a projection.
fn identity(case: &Case, kind: Kind) -> Answer {
    case.answer(kind, |costs| SolverLayer::new(case.solver(), Identity).forward(costs))
}

/// Factor 1: both are Vlastelica et al. 2020.
fn blackbox(case: &Case, kind: Kind) -> Answer {
    let rule = Blackbox::new(case.number("lambd")).unwrap();
    case.answer(kind, |costs| SolverLayer::new(case.solver(), rule).forward(costs))
}

/// Factor 1: both are Berthet et al. 2020, with the mean of the other samples as control variate,
/// which one sample does not have.
fn perturbed_additive(case: &Case, kind: Kind) -> Answer {
    perturbed(case, kind, Perturbation::Additive)
}

/// Factor 1: both are Dalle et al. 2022.
fn perturbed_multiplicative(case: &Case, kind: Kind) -> Answer {
    perturbed(case, kind, Perturbation::Multiplicative)
}

fn perturbed(case: &Case, kind: Kind, perturbation: Perturbation) -> Answer {
    let reduced = case.is("variance_reduction") && case.number("n_samples") > 1.0;
    let control = if reduced { ControlVariate::LeaveOneOut } else { ControlVariate::None };
    let layer = case.perturbed("n_samples", perturbation).with_control_variate(control).unwrap();
    case.answer(kind, |costs| layer.forward_with_noise(costs, &case.noise(kind)))
}

/// Factor 1, for the value, too: neither subtracts the least loss.
fn fenchel_young_additive(case: &Case, kind: Kind) -> Answer {
    fenchel_young_loss(case, kind, Perturbation::Additive)
}

/// Factor 1: in both each solution is weighted by the factor on its costs.
fn fenchel_young_multiplicative(case: &Case, kind: Kind) -> Answer {
    fenchel_young_loss(case, kind, Perturbation::Multiplicative)
}

fn fenchel_young_loss(case: &Case, kind: Kind, perturbation: Perturbation) -> Answer {
    let layer = case.perturbed("n_samples", perturbation);
    let solutions = case.input("solutions", kind);
    case.answer(kind, |costs| {
        let loss = fenchel_young_with_noise(&layer, costs, &solutions, &case.noise(kind))?;
        Ok(case.reduced(loss))
    })
}

/// Factor 1/λ: ours is y(w + λg) − y(w), algorithm 1 of Niepert et al. 2021, where PyEPO divides by λ,
/// as their code of the discrete VAE does and ours with `InverseLambda`. Two sides are LPGD's average,
/// factor 1. PyEPO adds the noise to costs, ours (`Noise::perturb`) subtracts it, which is the paper's
/// θ + ε at θ = −w: here the costs are moved by hand.
fn implicit_mle(case: &Case, kind: Kind) -> Answer {
    let (lambda, sigma) = (case.number("lambd"), case.number("sigma"));
    let answer = |rule: std::sync::Arc<dyn Rule>| {
        let layer = SolverLayer::shared(std::sync::Arc::new(case.solver()), rule);
        case.answer(kind, |costs| layer.forward_mean(&(costs + case.noise(kind) * sigma)))
    };
    if case.is("two_sides") {
        return answer(std::sync::Arc::new(Lpgd::new(lambda, LpgdSide::Average).unwrap()));
    }
    let rule = |scale| std::sync::Arc::new(ImplicitMle::new(lambda, scale).unwrap());
    let (value, plain) = answer(rule(ImplicitMleScale::Plain));
    let (_, divided) = answer(rule(ImplicitMleScale::InverseLambda));
    assert!(close(&(&plain / lambda), &divided), "{}", case.name());
    (value, plain / lambda)
}

/// Factor 1 at the same λ, but λ = α‖w‖/‖g‖ is another at the same α: ours takes the costs that the
/// layer sees, S samples with their noise (and g for each), PyEPO those without noise. Ours at
/// α‖w‖√S/‖w + σε‖ is PyEPO's at α.
///
/// From step to step α moves otherwise, too, and is not compared: ours towards one change per instance
/// and sample, PyEPO's by the share of entries of the mean gradient that are not 0, up until it is 1.
fn adaptive_implicit_mle(case: &Case, kind: Kind) -> Answer {
    let noise = case.noise(kind) * case.number("sigma");
    let norm = |tensor: Tensor| tensor.to_kind(Kind::Double).norm().double_value(&[]);
    let costs = case.input("costs", kind);
    let factor = norm(&costs * case.number("n_samples").sqrt()) / norm(&costs + &noise);
    let mut rule = AdaptiveImplicitMle::new(1.0)
        .and_then(|rule| rule.with_alpha(case.number("alpha") * factor))
        .unwrap();
    if case.is("two_sides") {
        rule = rule.with_central_difference();
    }
    let layer = SolverLayer::new(case.solver(), rule);
    case.answer(kind, |costs| layer.forward_mean(&(costs + &noise)))
}

/// Factor 1: both are Elmachtoub, Grigas 2022, with the 2 of its subgradient.
fn spo(case: &Case, kind: Kind) -> Answer {
    let true_costs = case.true_costs(kind);
    let solutions = case.input("solutions", kind);
    case.answer(kind, |costs| {
        Ok(case.reduced(spo_plus(&case.solver(), costs, &true_costs, &solutions)?))
    })
}

/// Factor 1: both are Huang, Gupta 2024, whose h is `sigma`; ours takes central differences by default.
fn perturbation(case: &Case, kind: Kind) -> Answer {
    let true_costs = case.true_costs(kind);
    let (solver, width) = (case.solver(), case.number("sigma"));
    let difference = match case.is("two_sides") {
        true => FiniteDifference::Central,
        false => FiniteDifference::Backward,
    };
    case.answer(kind, |costs| {
        let loss = perturbation_gradient(&solver, costs, &true_costs, width, difference)?;
        Ok(case.reduced(loss))
    })
}

/// A loss of a pool, the costs and what is known of the instance.
fn pool_loss(
    case: &Case,
    kind: Kind,
    known: Tensor,
    loss: impl FnOnce(&SolutionPool, &Tensor, &Tensor) -> Result<Tensor>,
) -> Answer {
    let mut pool = SolutionPool::new(&case.solver());
    pool.extend(&case.input("pool", kind)).unwrap();
    case.answer(kind, |costs| Ok(case.reduced(loss(&pool, costs, &known)?)))
}

/// Factor 1: both take the mean over the pool, where Mulamba et al. 2021 write the sum.
fn noise_contrastive_loss(case: &Case, kind: Kind) -> Answer {
    pool_loss(case, kind, case.input("solutions", kind), noise_contrastive)
}

/// Factor 1: in both the costs are as predicted, where the paper also has them minus the true ones.
fn contrastive_map_loss(case: &Case, kind: Kind) -> Answer {
    pool_loss(case, kind, case.input("solutions", kind), contrastive_map)
}

/// Factor 1 at temperature 1: both are the cross-entropy, summed over the pool. PyEPO holds the true
/// probabilities above 1e-8.
fn listwise(case: &Case, kind: Kind) -> Answer {
    pool_loss(case, kind, case.true_costs(kind), |pool, costs, truth| {
        listwise_ranking(pool, costs, truth, 1.0)
    })
}

/// Factor 1 without a margin: both take the mean over all but the best solution of the pool (ours over
/// those that cost more than it, all but one where there are no ties).
fn pairwise(case: &Case, kind: Kind) -> Answer {
    pool_loss(case, kind, case.true_costs(kind), |pool, costs, truth| {
        pairwise_ranking(pool, costs, truth, 0.0)
    })
}

/// Factor 1: both take the mean over the pool.
fn pointwise(case: &Case, kind: Kind) -> Answer {
    pool_loss(case, kind, case.true_costs(kind), pointwise_ranking)
}

/// Factor 1 for a projection that PyEPO's solver has the steps to finish; its default is 3, inside the
/// cone, as in CaVE+. Ours is exact.
fn cone(case: &Case, kind: Kind) -> Answer {
    let solutions = case.input("solutions", kind);
    case.answer(kind, |costs| Ok(case.reduced(cone_aligned(&case.solver(), costs, &solutions)?)))
}

/// Factor 1: the baseline of Optax is the solution without noise. Its Gumbel noise, with p(Z) =
/// exp(−Z − exp(−Z)), has the score −∇ln p = 1 − exp(−Z), that of normal noise is Z itself.
fn optax_perturbed(case: &Case, kind: Kind) -> Answer {
    let baseline = case.is("use_baseline");
    let control = if baseline { ControlVariate::Unperturbed } else { ControlVariate::None };
    let layer = case
        .perturbed("num_samples", Perturbation::Additive)
        .with_control_variate(control)
        .unwrap();
    let noise = case.noise(kind);
    let score = match case.parameters["noise"].as_str().unwrap() {
        "normal" => return case.answer(kind, |costs| layer.forward_with_noise(costs, &noise)),
        "gumbel" => noise.ones_like() - (-&noise).exp(),
        other => panic!("noise {other}"),
    };
    case.answer(kind, |costs| layer.forward_with_score(costs, &noise, &score))
}

fn close(ours: &Tensor, theirs: &Tensor) -> bool {
    ours.size() == theirs.size()
        && ours.to_kind(Kind::Double).allclose(&theirs.to_kind(Kind::Double), 1e-5, 1e-5, false)
}

#[test]
fn ours_says_what_the_peers_say() {
    let mut wrong = Vec::new();
    for case in cases() {
        let Some((_, ours)) = METHODS.iter().find(|(method, _)| *method == case.method) else {
            if !PENDING.contains(&&*case.method) {
                wrong.push(format!("{}: there is nothing to compare with", case.name()));
            }
            continue;
        };
        let expected = [&case.value, &case.gradient].map(|value| tensor(value, Kind::Double));
        // A gradient of zeros, or one that any scale fits, would test nothing.
        assert!(!close(&(&expected[1] * 1.001), &expected[1]), "{}", case.name());
        for kind in KINDS {
            let (value, gradient) = ours(&case, kind);
            assert_eq!((value.kind(), gradient.kind()), (kind, kind));
            for (what, ours, theirs) in
                [("value", value, &expected[0]), ("gradient", gradient, &expected[1])]
            {
                if !close(&ours, theirs) {
                    wrong.push(format!(
                        "{}, {kind:?}: {what} is{ours}, the peer's is{theirs}",
                        case.name()
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every method is compared or pending, each has a case, and each that is compared is documented.
#[test]
fn no_method_is_left_out() {
    let in_file: BTreeSet<String> = cases().into_iter().map(|case| case.method).collect();
    let compared: BTreeSet<String> = METHODS.iter().map(|(name, _)| name.to_string()).collect();
    let pending: BTreeSet<String> = PENDING.iter().map(|name| name.to_string()).collect();
    assert!(compared.is_disjoint(&pending));
    assert_eq!(&compared | &pending, in_file);
    let conventions = include_str!("../src/gradient/conventions.md");
    for method in &compared {
        assert!(conventions.contains(&format!("`{method}`")), "{method} is not in conventions.md");
    }
}
