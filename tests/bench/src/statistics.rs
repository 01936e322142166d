//! The arithmetic of the report.

use serde::Serialize;

/// The middle of some figures and how far they lie apart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) lowest: f64,
    pub(crate) median: f64,
    pub(crate) highest: f64,
}

impl Spread {
    /// Nothing if there are no figures.
    pub(crate) fn of(figures: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = figures.into_iter().collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let median = match sorted.len() {
            0 => return None,
            odd if odd % 2 == 1 => sorted[middle],
            _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
        };
        Some(Self { lowest: *sorted.first()?, median, highest: *sorted.last()? })
    }

    /// How `left` compares with `right` round by round: what disturbs a round
    /// disturbs both, so that ratios within a round are steadier than the ratio
    /// of two medians.
    pub(crate) fn of_ratios(left: &[f64], right: &[f64]) -> Option<Self> {
        Self::of(left.iter().zip(right).map(|(left, right)| left / right))
    }
}

/// The smallest figure that `percent` of all figures don't exceed. `sorted` is
/// in ascending order.
pub(crate) fn percentile(sorted: &[u32], percent: usize) -> Option<u32> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(lowest: f64, median: f64, highest: f64) -> Spread {
        Spread { lowest, median, highest }
    }

    #[test]
    fn the_median_is_the_middle_figure_or_the_middle_of_two() {
        assert_eq!(Spread::of([3.0, 1.0, 2.0]), Some(spread(1.0, 2.0, 3.0)));
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 3.0]), Some(spread(1.0, 2.5, 4.0)));
        assert_eq!(Spread::of([7.0]), Some(spread(7.0, 7.0, 7.0)));
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        // The machine was half as fast in the second round: no ratio shows it.
        let ratios = Spread::of_ratios(&[80.0, 40.0, 90.0], &[100.0, 50.0, 100.0]);
        assert_eq!(ratios, Some(spread(0.8, 0.8, 0.9)));
    }

    #[test]
    fn a_percentile_is_one_of_the_figures() {
        let hundred: Vec<u32> = (1..=100).collect();
        assert_eq!(percentile(&hundred, 50), Some(50));
        assert_eq!(percentile(&hundred, 99), Some(99));
        assert_eq!(percentile(&hundred, 100), Some(100));
        assert_eq!(percentile(&[5, 9], 50), Some(5));
        assert_eq!(percentile(&[5, 9], 99), Some(9));
        assert_eq!(percentile(&[5], 0), Some(5));
        assert_eq!(percentile(&[], 50), None);
    }
}
