//! Which row does an iteration get? From its number alone, so threads share out the rows without talking.
use crate::plan;
use crate::plan::Order;
use crate::rng::Rng;
use crate::value::Constant;

/// All rows of a plan.
#[derive(Debug)]
pub struct Feeders {
    feeders: Vec<Feeder>,
    seed: u64,
}

#[derive(Debug)]
struct Feeder {
    columns: Vec<String>,
    rows: Vec<Box<[Constant]>>,
    order: Order,
}

impl Feeders {
    pub fn new(specs: &[plan::Feeder], seed: u64) -> Self {
        let feeders = specs
            .iter()
            .map(|spec| Feeder {
                columns: spec.columns.clone(),
                rows: spec
                    .rows
                    .iter()
                    .map(|row| row.iter().map(Constant::from).collect())
                    .collect(),
                order: spec.order,
            })
            .collect();
        Self { feeders, seed }
    }

    /// Feeder and column of the first feeder that has a column of this name.
    pub fn find(&self, name: &str) -> Option<(usize, usize)> {
        self.feeders.iter().enumerate().find_map(|(f, feeder)| {
            feeder
                .columns
                .iter()
                .position(|column| column == name)
                .map(|column| (f, column))
        })
    }

    /// The value in the row of iteration `number`: row `number` modulo the rows, or one drawn for that number.
    pub fn value(&self, feeder: usize, column: usize, number: u64) -> &Constant {
        let Feeder { rows, order, .. } = &self.feeders[feeder];
        let last = rows.len() as u64 - 1;
        let row = match order {
            Order::Sequential => number % (last + 1),
            Order::Random => {
                Rng::of(self.seed.rotate_left(feeder as u32 + 1), number).between(0, last)
            }
        };
        &rows[row as usize][column]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feeders(order: Order) -> Feeders {
        let rows = (0..5)
            .map(|i| vec![format!("a{i}").into(), format!("b{i}").into()])
            .collect();
        let feeder = plan::Feeder {
            columns: vec!["a".into(), "b".into()],
            rows,
            order,
        };
        Feeders::new(&[feeder], 9)
    }

    #[test]
    fn sequential_rows_come_in_order_and_start_again() {
        let feeders = feeders(Order::Sequential);
        let got: Vec<&str> = (0..7).map(|n| &*feeders.value(0, 0, n).text).collect();
        assert_eq!(got, ["a0", "a1", "a2", "a3", "a4", "a0", "a1"]);
    }

    /// One iteration sees one row, whichever column it asks for; many iterations see all rows.
    #[test]
    fn random_rows_stay_together_and_all_come_up() {
        let feeders = feeders(Order::Random);
        let rows: std::collections::HashSet<String> = (0..200)
            .map(|n| {
                let (a, b) = (&feeders.value(0, 0, n).text, &feeders.value(0, 1, n).text);
                assert_eq!(a[1..], b[1..]);
                a.to_string()
            })
            .collect();
        assert_eq!(rows.len(), 5);
    }

    #[test]
    fn a_column_is_found_by_name() {
        assert_eq!(feeders(Order::Random).find("b"), Some((0, 1)));
        assert_eq!(feeders(Order::Random).find("c"), None);
    }
}
