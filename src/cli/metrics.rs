//! `backhoe metrics`: what AWS's monitoring would show of a lab that is up.

use super::{Exit, args::MetricsArgs, ls, output, table::Table};
use crate::engine::api::{Client, Dimensions, Metrics};

/// Minutes that `--cloudwatch` shows.
const SHOWN: usize = 3;

pub(super) fn run(args: &MetricsArgs) -> Result<(), Exit> {
    let lab = ls::choose(args.which.lab.as_deref().or(args.named.as_deref()))?;
    let metrics = Client::new(lab).metrics()?;
    if args.output.json {
        return output::json(&metrics);
    }
    if args.cloudwatch {
        return output::data(&minutes(&metrics).to_string());
    }
    output::data(&metrics.exposition())
}

/// The last minutes, one statistic a line.
fn minutes(metrics: &Metrics) -> Table {
    let mut table = Table::new(&[
        "MINUTE", "METRIC", "OF", "SAMPLE", "AVERAGE", "MINIMUM", "MAXIMUM", "SUM",
    ]);
    let first = metrics.minutes.len().saturating_sub(SHOWN);
    let all = metrics.minutes.len();
    for (index, minute) in metrics.minutes.iter().enumerate().skip(first) {
        let ago = all - 1 - index;
        let when = match minute.over {
            true => format!("-{ago}"),
            false => "now".to_owned(),
        };
        for one in &minute.statistics {
            table.row([
                when.clone(),
                one.name.clone(),
                of(&one.dimensions),
                number(one.sample),
                number(one.average),
                number(one.minimum),
                number(one.maximum),
                one.sum.map_or_else(|| "-".to_owned(), number),
            ]);
        }
    }
    table
}

fn of(dimensions: &Dimensions) -> String {
    let each: Vec<String> = dimensions
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    each.join(" ")
}

/// At most three decimals, none that say nothing.
fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_no_more_decimals_than_they_need() {
        let texts = [1.0, 0.25, 1_500_000.5, 0.0].map(number);
        assert_eq!(texts, ["1", "0.25", "1500000.5", "0"]);
    }
}
