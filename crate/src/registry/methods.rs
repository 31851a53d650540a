//! The rows of the table.

use std::sync::Arc;

use tch::{Kind, Tensor};

use super::Gives::{ExpectedLoss, HullPoint, Loss, Solution};
use super::Labels::{Costs, OfTheLoss, Solutions};
use super::Problems::{
    Any, AnySign, BindingConstraints, ConstantSum, NonZeroCosts, OneOfN, Ranks, Subsets,
};
use super::{Calls, Method, Settings, Structure, Task};
use crate::gradient::{
    Blackbox, ControlVariate, Identity, ImplicitMle, ImplicitMleScale, Lpgd, LpgdSide, Noise,
    Perturbation, Perturbed, Projection, RegularisedFrankWolfe, Rule, ScoreFunction, SolverLayer,
    StraightThrough,
};
use crate::loss::{
    FiniteDifference, cone_aligned, contrastive_map, fenchel_young, fenchel_young_regularised,
    listwise_ranking, noise_contrastive, pairwise_ranking, perturbation_gradient,
    pointwise_ranking, spo_plus,
};
use crate::relaxation::{GumbelSoftmax, L2xSampler, RelaxedSubset, Simple, soft_rank};
use crate::{Error, Result};

const fn calls(forward: usize, backward: usize) -> Calls {
    Calls { forward: Some(forward), backward: Some(backward) }
}

fn with_rule(task: &Task, costs: &Tensor, rule: impl Rule) -> Result<Tensor> {
    let layer = SolverLayer::shared(Arc::clone(&task.solver), Arc::new(rule));
    task.loss_of(&layer.forward(costs)?)
}

fn projected(task: &Task, costs: &Tensor, projection: Projection) -> Result<Tensor> {
    with_rule(task, &projection.apply(costs)?, Identity)
}

/// A rule on S noisy copies of each instance: the mean of their losses.
fn sampled(task: &Task, costs: &Tensor, seed: u64, rule: impl Rule) -> Result<Tensor> {
    let mut shape = costs.size();
    shape.insert(0, task.settings.samples as i64);
    let noise = Noise::Gumbel { temperature: task.settings.sigma };
    let noisy = noise.perturb(&costs.unsqueeze(0).expand(shape, false), seed)?;
    Ok(with_rule(task, &noisy, rule)?.mean_dim(0, false, None::<Kind>))
}

fn perturbed(task: &Task) -> Result<Perturbed> {
    let Settings { sigma, samples, .. } = task.settings;
    Perturbed::shared(Arc::clone(&task.solver), sigma, samples)
}

fn frank_wolfe(task: &Task) -> Result<RegularisedFrankWolfe> {
    RegularisedFrankWolfe::shared(Arc::clone(&task.solver), task.settings.regularisation)
}

fn size_of(task: &Task) -> Result<usize> {
    match task.structure {
        Structure::Subsets(k) => Ok(k),
        other => {
            Err(Error::parameter("the structure of the task", format!("{other:?}"), "Subsets(k)"))
        }
    }
}

/// What most rules have in common: a row says what differs.
const RULE: Method = Method {
    name: "",
    item: "",
    gives: Solution,
    labels: OfTheLoss,
    problems: Any,
    noise: false,
    calls: |_| calls(1, 0),
    source: "",
    advice: "",
    run: |task, solutions, _| task.loss_of(solutions),
};

/// The same for losses on costs, of which most do not solve.
const LOSS: Method = Method { gives: Loss, labels: Costs, calls: |_| calls(0, 0), ..RULE };

/// Every method of the library: rules, layers, relaxations, losses on costs.
pub const METHODS: &[Method] = &[
    Method {
        name: "identity",
        item: "crate::gradient::Identity",
        source: "Sahoo et al. 2023",
        advice: "first choice: no parameter, one solve; add a projection that your solutions allow",
        run: |task, costs, _| projected(task, costs, Projection::None),
        ..RULE
    },
    Method {
        name: "identity-mean",
        item: "crate::gradient::Projection",
        problems: ConstantSum,
        source: "Sahoo et al. 2023",
        advice: "all solutions have the same sum, and costs drift",
        run: |task, costs, _| projected(task, costs, Projection::Mean),
        ..RULE
    },
    Method {
        name: "identity-norm",
        item: "crate::gradient::Projection",
        source: "Sahoo et al. 2023",
        advice: "costs grow or collapse during training",
        run: |task, costs, _| projected(task, costs, Projection::Norm),
        ..RULE
    },
    Method {
        name: "identity-std",
        item: "crate::gradient::Projection",
        problems: ConstantSum,
        source: "Sahoo et al. 2023",
        advice: "both: subsets, ranks, tours",
        run: |task, costs, _| projected(task, costs, Projection::Std),
        ..RULE
    },
    Method {
        name: "straight-through",
        item: "crate::gradient::StraightThrough",
        source: "Bengio et al. 2013",
        advice: "a baseline for one of n",
        run: |task, costs, _| {
            with_rule(task, costs, StraightThrough::new(task.settings.temperature)?)
        },
        ..RULE
    },
    Method {
        name: "blackbox",
        item: "crate::gradient::Blackbox",
        calls: |_| calls(1, 1),
        source: "Vlastelica et al. 2020",
        advice: "a second solve is cheap and λ can be tuned",
        run: |task, costs, _| with_rule(task, costs, Blackbox::new(task.settings.lambda)?),
        ..RULE
    },
    Method {
        name: "lpgd-upper",
        item: "crate::gradient::Lpgd",
        calls: |_| calls(1, 1),
        source: "Paulus et al. 2024",
        advice: "part of the average: alone it makes worse solutions dearer and y(w) cheaper, so y(w) stays",
        run: |task, costs, _| {
            with_rule(task, costs, Lpgd::new(task.settings.lambda, LpgdSide::Upper)?)
        },
        ..RULE
    },
    Method {
        name: "lpgd-average",
        item: "crate::gradient::Lpgd",
        calls: |_| calls(1, 2),
        source: "Paulus et al. 2024",
        advice: "Blackbox is biased to one side",
        run: |task, costs, _| {
            with_rule(task, costs, Lpgd::new(task.settings.lambda, LpgdSide::Average)?)
        },
        ..RULE
    },
    Method {
        name: "lpgd-regularised",
        item: "crate::gradient::Lpgd",
        problems: AnySign,
        calls: |_| Calls { forward: Some(1), backward: None },
        source: "Paulus et al. 2024",
        advice: "a smaller step than to the next solution is wanted, at the price of many solves",
        run: |task, costs, _| {
            let rule = Lpgd::new(task.settings.lambda, LpgdSide::Average)?;
            with_rule(task, costs, rule.with_regulariser(task.settings.regularisation)?)
        },
        ..RULE
    },
    Method {
        name: "i-mle",
        item: "crate::gradient::ImplicitMle",
        problems: AnySign,
        noise: true,
        calls: |settings| calls(settings.samples, settings.samples),
        source: "Niepert et al. 2021",
        advice: "solutions are samples of a distribution",
        run: |task, costs, seed| {
            // The mean over S samples hands each of them dL/dy / S.
            let lambda = task.settings.lambda * task.settings.samples as f64;
            let rule = ImplicitMle::new(lambda, ImplicitMleScale::InverseLambda)?;
            sampled(task, costs, seed, rule)
        },
        ..RULE
    },
    Method {
        name: "adaptive-i-mle",
        item: "crate::gradient::AdaptiveImplicitMle",
        problems: AnySign,
        noise: true,
        calls: |settings| Calls { forward: Some(settings.samples), backward: None },
        source: "Minervini et al. 2023",
        advice: "the same without tuning λ",
        run: |task, costs, seed| sampled(task, costs, seed, task.adaptive.clone()),
        ..RULE
    },
    Method {
        name: "perturbed",
        item: "crate::gradient::Perturbed",
        gives: HullPoint,
        problems: AnySign,
        noise: true,
        calls: |settings| calls(settings.samples, 0),
        source: "Berthet et al. 2020",
        advice: "an unbiased gradient of the smoothed solution is wanted",
        run: |task, costs, seed| task.loss_of(&perturbed(task)?.forward(costs, seed)?),
        ..RULE
    },
    Method {
        name: "perturbed-unperturbed",
        item: "crate::gradient::ControlVariate",
        gives: HullPoint,
        problems: AnySign,
        noise: true,
        calls: |settings| calls(settings.samples + 1, 0),
        source: "Berthet et al. 2020",
        advice: "the same with the noise-free solution as control variate, for a single sample",
        run: |task, costs, seed| {
            let layer = perturbed(task)?.with_control_variate(ControlVariate::Unperturbed)?;
            task.loss_of(&layer.forward(costs, seed)?)
        },
        ..RULE
    },
    Method {
        name: "perturbed-multiplicative",
        item: "crate::gradient::Perturbation",
        gives: HullPoint,
        problems: NonZeroCosts,
        noise: true,
        calls: |settings| calls(settings.samples, 0),
        source: "Dalle et al. 2022",
        advice: "the solver needs costs >= 0, as for paths",
        run: |task, costs, seed| {
            let layer = perturbed(task)?.with_perturbation(Perturbation::Multiplicative);
            task.loss_of(&layer.forward(costs, seed)?)
        },
        ..RULE
    },
    Method {
        name: "score-function",
        item: "crate::gradient::ScoreFunction",
        gives: ExpectedLoss,
        problems: AnySign,
        noise: true,
        calls: |settings| calls(settings.samples, 0),
        source: "Williams 1992",
        advice: "nobody can differentiate the loss",
        run: |task, costs, seed| {
            let Settings { sigma, samples, .. } = task.settings;
            let estimator = ScoreFunction::shared(Arc::clone(&task.solver), sigma, samples)?;
            estimator.expected_loss(costs, seed, |solutions| task.loss_of(solutions))
        },
        ..RULE
    },
    Method {
        name: "frank-wolfe",
        item: "crate::gradient::RegularisedFrankWolfe",
        gives: HullPoint,
        calls: |_| Calls { forward: None, backward: None },
        source: "Niculae et al. 2018",
        advice: "an exact Jacobian without noise, and mixtures of few solutions",
        run: |task, costs, _| task.loss_of(&frank_wolfe(task)?.forward(costs)?),
        ..RULE
    },
    Method {
        name: "gumbel-softmax",
        item: "crate::relaxation::GumbelSoftmax",
        gives: HullPoint,
        problems: OneOfN,
        noise: true,
        calls: |_| calls(0, 0),
        source: "Jang et al. 2017",
        advice: "one of n, and a relaxed sample will do",
        run: |task, costs, seed| {
            task.loss_of(&GumbelSoftmax::new(task.settings.temperature)?.forward(costs, seed)?)
        },
        ..RULE
    },
    Method {
        name: "relaxed-subset",
        item: "crate::relaxation::RelaxedSubset",
        gives: HullPoint,
        problems: Subsets,
        noise: true,
        calls: |_| calls(0, 0),
        source: "Xie, Ermon 2019",
        advice: "k of n, and a relaxed sample will do",
        run: |task, costs, seed| {
            let relaxed = RelaxedSubset::new(size_of(task)?, task.settings.temperature)?;
            task.loss_of(&relaxed.forward(costs, seed)?)
        },
        ..RULE
    },
    Method {
        name: "l2x",
        item: "crate::relaxation::L2xSampler",
        gives: HullPoint,
        problems: Subsets,
        noise: true,
        calls: |_| calls(0, 0),
        source: "Chen et al. 2018",
        advice: "a baseline for explanations",
        run: |task, costs, seed| {
            let sampler = L2xSampler::new(size_of(task)?, task.settings.temperature)?;
            task.loss_of(&sampler.forward(costs, seed)?)
        },
        ..RULE
    },
    Method {
        name: "simple",
        item: "crate::relaxation::Simple",
        problems: Subsets,
        noise: true,
        calls: |_| calls(0, 0),
        source: "Ahmed et al. 2023",
        advice: "k of n, solutions are exact samples",
        run: |task, costs, seed| task.loss_of(&Simple::new(size_of(task)?)?.forward(costs, seed)?),
        ..RULE
    },
    Method {
        name: "soft-rank",
        item: "crate::relaxation::soft_rank",
        gives: HullPoint,
        problems: Ranks,
        calls: |_| calls(0, 0),
        source: "Blondel et al. 2020",
        advice: "ranks, and a relaxed answer will do",
        run: |task, costs, _| task.loss_of(&soft_rank(costs, task.settings.regularisation)?),
        ..RULE
    },
    Method {
        name: "spo+",
        item: "crate::loss::spo_plus",
        problems: AnySign,
        calls: |_| calls(1, 0),
        source: "Elmachtoub, Grigas 2022",
        advice: "true costs are known: the standard, convex",
        run: |task, costs, _| spo_plus(&*task.solver, costs, &task.costs, &task.solutions),
        ..LOSS
    },
    Method {
        name: "perturbation-gradient",
        item: "crate::loss::perturbation_gradient",
        problems: AnySign,
        calls: |_| calls(2, 0),
        source: "Huang, Gupta 2024",
        advice: "true costs are known and the model cannot fit them",
        run: |task, costs, _| {
            let (h, kind) = (task.settings.width, FiniteDifference::Central);
            perturbation_gradient(&*task.solver, costs, &task.costs, h, kind)
        },
        ..LOSS
    },
    Method {
        name: "fenchel-young",
        item: "crate::loss::fenchel_young",
        labels: Solutions,
        problems: AnySign,
        noise: true,
        calls: |settings| calls(settings.samples, 0),
        source: "Berthet et al. 2020",
        advice: "true solutions are known: convex, smooth",
        run: |task, costs, seed| fenchel_young(&perturbed(task)?, costs, &task.solutions, seed),
        ..LOSS
    },
    Method {
        name: "fenchel-young-regularised",
        item: "crate::loss::fenchel_young_regularised",
        labels: Solutions,
        calls: |_| Calls { forward: None, backward: Some(0) },
        source: "Blondel et al. 2020",
        advice: "the same without noise; 0 at the truth",
        run: |task, costs, _| {
            fenchel_young_regularised(&frank_wolfe(task)?, costs, &task.solutions)
        },
        ..LOSS
    },
    Method {
        name: "noise-contrastive",
        item: "crate::loss::noise_contrastive",
        labels: Solutions,
        source: "Mulamba et al. 2021",
        advice: "solving during training is too slow",
        run: |task, costs, _| noise_contrastive(&task.pool, costs, &task.solutions),
        ..LOSS
    },
    Method {
        name: "contrastive-map",
        item: "crate::loss::contrastive_map",
        labels: Solutions,
        source: "Mulamba et al. 2021",
        advice: "the same, against the best of the pool",
        run: |task, costs, _| contrastive_map(&task.pool, costs, &task.solutions),
        ..LOSS
    },
    Method {
        name: "pointwise-ranking",
        item: "crate::loss::pointwise_ranking",
        source: "Mandi et al. 2022",
        advice: "solving is too slow and costs have the right scale",
        run: |task, costs, _| pointwise_ranking(&task.pool, costs, &task.costs),
        ..LOSS
    },
    Method {
        name: "pairwise-ranking",
        item: "crate::loss::pairwise_ranking",
        source: "Mandi et al. 2022",
        advice: "solving is too slow and the best solution matters",
        run: |task, costs, _| {
            pairwise_ranking(&task.pool, costs, &task.costs, task.settings.temperature)
        },
        ..LOSS
    },
    Method {
        name: "listwise-ranking",
        item: "crate::loss::listwise_ranking",
        source: "Mandi et al. 2022",
        advice: "solving is too slow and the order of solutions matters",
        run: |task, costs, _| {
            listwise_ranking(&task.pool, costs, &task.costs, task.settings.temperature)
        },
        ..LOSS
    },
    Method {
        name: "cone-aligned",
        item: "crate::loss::cone_aligned",
        labels: Solutions,
        problems: BindingConstraints,
        source: "Tang, Khalil 2024",
        advice: "integer programmes too slow to solve, with known constraints",
        run: |task, costs, _| cone_aligned(&*task.solver, costs, &task.solutions),
        ..LOSS
    },
];
