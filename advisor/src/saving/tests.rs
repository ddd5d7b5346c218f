use slowpath_profile::ThreadState::Running;
use slowpath_profile::testing::ProfileBuilder;

use super::*;

fn weight(parts: &[u64]) -> Weight {
    let mut builder = ProfileBuilder::new();
    for (at, count) in parts.iter().enumerate() {
        builder = builder.sample(&[&format!("f{at}")], Running, *count);
    }
    Weight::collect(&mut builder.build()).unwrap()
}

fn claim(finding: usize, atoms: &[u32]) -> Claim {
    Claim { finding, atoms: atoms.to_vec(), ratio: 0, weight: 1.0, everything: false }
}

fn same(model: Ratio) -> Models {
    Models { instructions: model, everything: model }
}

/// Instructions, and nothing around them.
fn estimate(
    weight: &Weight,
    claims: &[Claim],
    ratios: &[Ratio],
    findings: usize,
) -> (Vec<Saving>, Option<Saving>) {
    estimate_with(same(Ratio::new(1.0, 1.0, 1.0)), weight, claims, ratios, findings)
}

const TWICE: Ratio = Ratio::new(2.0, 1.8, 2.2);

#[test]
fn half_of_what_takes_twice_as_long() {
    let weight = weight(&[400, 600]);
    let (each, joint) = estimate(&weight, &[claim(0, &[0])], &[TWICE], 1);
    let saving = each[0];
    assert!((saving.share - 0.2).abs() < 0.01, "{saving:?}");
    assert!(saving.low > 0.16 && saving.low < 0.19 && saving.high > 0.21 && saving.high < 0.25, "{saving:?}");
    assert!((saving.ceiling - 0.4).abs() < 1e-9 && (saving.ratio - 2.0).abs() < 1e-9);
    assert_eq!(joint.map(|joint| joint.share), Some(saving.share));
    assert_eq!(estimate(&weight, &[claim(0, &[0])], &[TWICE], 1).0[0], saving, "the seed is fixed");
}

#[test]
fn a_model_is_a_source_of_doubt() {
    let weight = weight(&[4000, 6000]);
    let [plain, modelled] = [Ratio::new(1.0, 1.0, 1.0), Ratio::new(1.2, 0.8, 1.8)]
        .map(|model| estimate_with(same(model), &weight, &[claim(0, &[0])], &[TWICE], 1).0[0]);
    assert!((modelled.share - (1.0 - 0.8_f64.powf(1.2))).abs() < 0.01, "{modelled:?}");
    assert!(modelled.low < plain.low && modelled.high > plain.high, "{modelled:?}");
    let high = estimate_with(same(Ratio::new(9.0, 9.0, 9.0)), &weight, &[claim(0, &[0])], &[TWICE], 1).0[0];
    assert!(high.share > high.ceiling && high.high < 1.0, "neighbours gain, too: {high:?}");
    assert_eq!((in_a_program(-0.3, 2.0), in_a_program(0.0, 2.0)), (-0.3, 0.0));
}

#[test]
fn what_slows_everything_has_a_model_of_its_own() {
    let weight = weight(&[5000, 5000]);
    let models = Models { instructions: Ratio::new(1.0, 1.0, 1.0), everything: Ratio::new(2.0, 2.0, 2.0) };
    let everything = Claim { everything: true, ..claim(0, &[0, 1]) };
    let (each, joint) = estimate_with(models, &weight, &[everything, claim(1, &[0])], &[TWICE], 2);
    assert!((each[0].share - 0.75).abs() < 0.02, "{each:?}");
    assert!((each[1].share - 0.25).abs() < 0.02, "{each:?}");
    assert!(joint.is_some_and(|joint| joint.share > each[0].share), "{joint:?}");
}

#[test]
fn few_samples_are_uncertain() {
    let width = |count| {
        let weight = weight(&[count, count]);
        let saving = estimate(&weight, &[claim(0, &[0])], &[TWICE], 1).0[0];
        saving.high - saving.low
    };
    assert!(width(10) > 2.0 * width(1000));
}

#[test]
fn savings_of_the_same_time_are_not_added() {
    let weight = weight(&[500, 500]);
    let both = [claim(0, &[0]), claim(1, &[0])];
    let (each, joint) = estimate(&weight, &both, &[TWICE], 2);
    let joint = joint.unwrap();
    assert!((each[0].share - 0.25).abs() < 0.02 && (each[1].share - 0.25).abs() < 0.02);
    assert!((joint.share - 0.25).abs() < 0.02, "{joint:?}");
    let apart = [claim(0, &[0]), claim(1, &[1])];
    assert!((estimate(&weight, &apart, &[TWICE], 2).1.unwrap().share - 0.5).abs() < 0.02);
}

#[test]
fn what_slows_everything_multiplies() {
    let weight = weight(&[500, 500]);
    let everything = Claim { everything: true, ..claim(0, &[0, 1]) };
    let joint = estimate(&weight, &[everything, claim(1, &[0])], &[TWICE], 2).1.unwrap();
    assert!((joint.share - 0.625).abs() < 0.02, "{joint:?}");
}

#[test]
fn a_rare_slow_way_costs_little() {
    let weight = weight(&[500, 500]);
    let rare = Claim { weight: 0.1, ..claim(0, &[0]) };
    let saving = estimate(&weight, &[rare], &[TWICE], 1).0[0];
    assert!((saving.share - 0.5 * (1.0 - 1.0 / 1.1)).abs() < 0.01, "{saving:?}");
}

#[test]
fn quantiles_of_the_distributions_are_right() {
    let mut random = Random(1);
    let mut draws: Vec<f64> = (0..20_000).map(|_| random.ratio(Ratio::new(3.0, 2.0, 5.0))).collect();
    draws.sort_by(f64::total_cmp);
    let at = |quantile: f64| draws[(quantile * 20_000.0) as usize];
    assert!((at(0.05) - 2.0).abs() < 0.05 && (at(0.5) - 3.0).abs() < 0.05 && (at(0.95) - 5.0).abs() < 0.15);
    for shape in [0.5, 1.0, 40.5] {
        let mean = (0..20_000).map(|_| random.gamma(shape)).sum::<f64>() / 20_000.0;
        assert!((mean / shape - 1.0).abs() < 0.05, "{shape} {mean}");
    }
}
