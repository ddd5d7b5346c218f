//! Findings with known contents, for tests.

use slowpath_profile::finding::{
    Cause, EvidenceLevel, FINDINGS_SCHEMA, Finding, Findings, Fix, Hurt, Place, Reason, RuleVerdict, Saving,
    VerdictKind,
};

use super::{Paths, Report};

/// A name with everything that a form could trip over.
pub const HOSTILE: &str =
    "a%;b\n::error::x\r\x1b[31m\"'<\\</script>&\u{202e}{0},|`*_ ]](x) ]]> \u{0}数え\u{1f40d}~~~```";

/// A place of one line.
pub fn place(file: &str, line: u32, column: u32, function: &str) -> Place {
    Place {
        file: file.into(),
        line: Some(line),
        column: Some(column),
        end_line: Some(line),
        end_column: Some(column + 8),
        function: function.into(),
    }
}

/// A saving with its interval.
pub fn saving(low: f64, share: f64, high: f64) -> Saving {
    Saving { share, low, high, ceiling: (high * 1.5).min(1.0), ratio: 2.33 }
}

/// A class that ran out of version tags: cause and fix are known.
pub fn class_out_of_tags() -> Finding {
    let hurt = |line, expression: &str, share, samples| Hurt {
        place: place("/src/shop/pricing.py", line, 19, "Cart.total"),
        expression: expression.into(),
        state: "attribute read the slow way".into(),
        share,
        samples,
    };
    sealed(Finding {
        rule: "SP301".into(),
        title: "class Model was modified over 1,000 times: its attributes are no longer cached".into(),
        saving: saving(0.07, 0.084, 0.097),
        basis: "14 places, measured ratio 2.33".into(),
        evidence: EvidenceLevel::Writer,
        hurts: vec![hurt(88, "item.qty", 0.041, 1_279), hurt(91, "item.price", 0.03, 936)],
        samples: 2_215,
        causes: vec![Cause {
            place: place("/src/shop/models.py", 41, 9, "Model.__init__"),
            statement: "type(self).created += 1".into(),
            symbol: "shop.models.Model.created".into(),
            how: "the only store to an attribute of Model".into(),
            ..Cause::default()
        }],
        why: vec![
            Reason { level: EvidenceLevel::Dynamics, text: "Model has no version tag left".into() },
            Reason { level: EvidenceLevel::Writer, text: "only one place stores to Model".into() },
        ],
        applies: "3.13-3.15".into(),
        fix: Fix {
            text: "Count outside of the class.".into(),
            diff: vec!["-    type(self).created += 1".into(), "+    next(_created)".into()],
            risk: "Readers of Model.created must change.".into(),
        },
        about: "shop.models.Model".into(),
        ..Finding::default()
    })
}

/// Types that rotate at one place: no cause is known.
pub fn polymorphic_site() -> Finding {
    sealed(Finding {
        rule: "SP201".into(),
        title: "4 types rotate at one place".into(),
        saving: saving(0.012, 0.02, 0.03),
        evidence: EvidenceLevel::Dynamics,
        hurts: vec![Hurt {
            place: place("/src/shop/report.py", 12, 5, "total_of"),
            expression: "item.price".into(),
            state: "cache misses".into(),
            share: 0.05,
            samples: 1_500,
        }],
        samples: 1_500,
        about: "shop.report.total_of".into(),
        ..Finding::default()
    })
}

/// Fills in what follows from the rest.
pub fn sealed(mut finding: Finding) -> Finding {
    finding.confidence = finding.evidence.confidence();
    crate::fingerprint::sealed(finding)
}

/// Every name of the finding is the given one.
pub fn named(mut finding: Finding, name: &str) -> Finding {
    for place in finding
        .causes
        .iter_mut()
        .map(|cause| &mut cause.place)
        .chain(finding.hurts.iter_mut().map(|hurt| &mut hurt.place))
    {
        place.file = format!("/src/shop/{name}");
        place.function = name.into();
    }
    for cause in &mut finding.causes {
        (cause.statement, cause.symbol, cause.how) = (name.into(), name.into(), name.into());
    }
    for hurt in &mut finding.hurts {
        (hurt.expression, hurt.state) = (name.into(), name.into());
    }
    finding.why.iter_mut().for_each(|reason| reason.text = name.into());
    finding.fix.diff.push(format!("+{name}"));
    for text in [
        &mut finding.title,
        &mut finding.basis,
        &mut finding.applies,
        &mut finding.fix.text,
        &mut finding.fix.risk,
        &mut finding.about,
    ] {
        *text = name.into();
    }
    sealed(finding)
}

/// These findings, of rules that all looked.
pub fn findings(list: Vec<Finding>) -> Findings {
    let verdict = |rule: &str, name: &str, verdict, reason: &str| RuleVerdict {
        rule: rule.into(),
        name: name.into(),
        verdict,
        reason: reason.into(),
    };
    let found = |rule| {
        let is_found = list.iter().any(|finding| finding.rule == rule);
        if is_found { VerdictKind::Found } else { VerdictKind::Clear }
    };
    let verdicts = vec![
        verdict("SP101", "global rebound", VerdictKind::NotApplicable, "not on 3.13 without the JIT"),
        verdict("SP201", "polymorphic site", found("SP201"), ""),
        verdict("SP301", "class out of version tags", found("SP301"), ""),
        verdict("SP302", "class attribute written", found("SP302"), ""),
    ];
    Findings {
        schema: FINDINGS_SCHEMA.into(),
        slowpath: "0.1.0".into(),
        python: vec!["3.13.18".into()],
        samples: 31_204,
        joint: list.first().map(|finding| finding.saving),
        findings: list,
        minor: Vec::new(),
        verdicts,
        gc_pauses: Vec::new(),
    }
}

/// Both findings.
pub fn two() -> Findings {
    findings(vec![class_out_of_tags(), polymorphic_site()])
}

/// Paths of the repository `/src`, seen from `/src/shop`.
pub fn paths() -> Paths {
    Paths::new("/src/shop", "/src")
}

/// A report without a gate in one form.
///
/// # Panics
///
/// If the form is no text.
pub fn written(format: super::Format, findings: &Findings) -> String {
    let paths = paths();
    let report = Report { findings, decision: None, paths: &paths };
    text_of(format, &report)
}

/// A report in one form.
///
/// # Panics
///
/// If the form is no text.
pub fn text_of(format: super::Format, report: &Report<'_>) -> String {
    let mut out = Vec::new();
    format.write(report, &mut out).expect("a vector takes everything");
    String::from_utf8(out).expect("every form is UTF-8")
}
