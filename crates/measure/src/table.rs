//! Slices of many series over many seconds, kept encoded, and what can be asked of them.
//!
//! Histograms stay in their wire form until a query merges them: ten minutes of sixty histograms take megabytes, not
//! gigabytes, and reading a recording costs a check of its bytes, not one histogram per slice.
//! Seconds are Unix time; a window is half-open.

use std::ops::Range;

use crate::block::{self, Encoded};
use crate::histogram::Histogram;
use crate::histogram_wire;
use crate::varint::WireError;

/// What the slices of a series are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A mergeable distribution. Several for one second are merged.
    Histogram,
    /// The increment within the second. Several for one second are added.
    Counter,
    /// The value at the end of the second. Of several for one second the last stands.
    Gauge,
}

/// Why slices were refused. Nothing of the block that held them was added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableError {
    /// The block cannot be read.
    Wire(WireError),
    /// The block names a series that was never added.
    UnknownSeries(u32),
    /// The block holds a histogram for a counter or gauge, or the other way round.
    WrongKind(u32),
}

impl std::fmt::Display for TableError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Wire(error) => error.fmt(f),
            Self::UnknownSeries(series) => {
                write!(f, "series {series} is not in the list of series")
            }
            Self::WrongKind(series) => write!(
                f,
                "series {series} holds a value of another kind than it says"
            ),
        }
    }
}

impl std::error::Error for TableError {}

impl From<WireError> for TableError {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}

/// The rows of one series, by second.
struct Rows {
    kind: Kind,
    seconds: Vec<i64>,
    /// Of counters and gauges: one per second.
    numbers: Vec<f64>,
    /// Of histograms: where in `bytes` each row is.
    places: Vec<Range<usize>>,
    bytes: Vec<u8>,
}

impl Rows {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            seconds: Vec::new(),
            numbers: Vec::new(),
            places: Vec::new(),
            bytes: Vec::new(),
        }
    }

    fn within(&self, window: &Range<i64>) -> Range<usize> {
        let start = self
            .seconds
            .partition_point(|second| *second < window.start);
        let end = self.seconds.partition_point(|second| *second < window.end);
        start..end.max(start)
    }

    /// Where a row of `second` goes: behind those of the same second. Seconds mostly come in order, so this is the end.
    fn place_of(&self, second: i64) -> usize {
        match self.seconds.last() {
            Some(last) if *last > second => self.seconds.partition_point(|other| *other <= second),
            _ => self.seconds.len(),
        }
    }

    fn add_number(&mut self, second: i64, value: f64) {
        let at = self.place_of(second);
        if at > 0 && self.seconds[at - 1] == second {
            let held = &mut self.numbers[at - 1];
            *held = if self.kind == Kind::Counter {
                *held + value
            } else {
                value
            };
            return;
        }
        self.seconds.insert(at, second);
        self.numbers.insert(at, value);
    }

    fn add_histogram(&mut self, second: i64, encoded: &[u8]) {
        let at = self.place_of(second);
        let start = self.bytes.len();
        self.bytes.extend_from_slice(encoded);
        self.seconds.insert(at, second);
        self.places.insert(at, start..self.bytes.len());
    }

    fn encoded(&self, row: usize) -> &[u8] {
        &self.bytes[self.places[row].clone()]
    }

    /// What a row counts for where histograms and figures are asked alike: a histogram's number of records, else the figure.
    fn amount(&self, row: usize) -> f64 {
        match self.kind {
            Kind::Histogram => histogram_wire::checked_count(self.encoded(row)) as f64,
            Kind::Counter | Kind::Gauge => self.numbers[row],
        }
    }
}

/// Slices of many series; a series is named by the number [`add_series`](Self::add_series) gave it.
///
/// Queries take any set of series; numbers that do not exist are passed over, as are histogram questions to figures.
#[derive(Default)]
pub struct Table {
    series: Vec<Rows>,
}

impl Table {
    /// Return a table without series.
    pub fn new() -> Self {
        Self::default()
    }

    /// Add a series and return its number: 0, 1, 2, ...
    pub fn add_series(&mut self, kind: Kind) -> u32 {
        self.series.push(Rows::new(kind));
        (self.series.len() - 1) as u32
    }

    /// Return what the slices of a series are.
    pub fn kind(&self, series: u32) -> Option<Kind> {
        self.series.get(series as usize).map(|rows| rows.kind)
    }

    /// Add every slice of a block to `second`.
    ///
    /// # Errors
    /// [`TableError`] for a block that cannot be read or does not fit the series; nothing of it is added then.
    pub fn add_block(&mut self, second: i64, block: &[u8]) -> Result<(), TableError> {
        let slices = block::read_block(block)?;
        for (series, value) in &slices {
            let kind = self
                .kind(*series)
                .ok_or(TableError::UnknownSeries(*series))?;
            if (kind == Kind::Histogram) != matches!(value, Encoded::Histogram(_)) {
                return Err(TableError::WrongKind(*series));
            }
        }
        for (series, value) in slices {
            let rows = &mut self.series[series as usize];
            match value {
                Encoded::Histogram(encoded) => rows.add_histogram(second, encoded),
                Encoded::Number(number) => rows.add_number(second, number),
            }
        }
        Ok(())
    }

    /// First second, and the second after the last, of the series asked for; of all series for `None`.
    pub fn span(&self, series: Option<&[u32]>) -> Option<Range<i64>> {
        let every: Vec<u32>;
        let series = match series {
            Some(some) => some,
            None => {
                every = (0..self.series.len() as u32).collect();
                &every
            }
        };
        let rows = || self.chosen(series);
        let first = rows().filter_map(|rows| rows.seconds.first()).min()?;
        let last = rows().filter_map(|rows| rows.seconds.last()).max()?;
        Some(*first..last.saturating_add(1))
    }

    /// Return all histograms of `series` within `window`, merged.
    pub fn histogram(&self, series: &[u32], window: &Range<i64>) -> Histogram {
        let mut merged = Histogram::new();
        for rows in self.histograms(series) {
            for row in rows.within(window) {
                merged.merge_checked_bytes(rows.encoded(row));
            }
        }
        merged
    }

    /// Return the sum of all figures (of histograms: records) of `series` within `window`.
    pub fn total(&self, series: &[u32], window: &Range<i64>) -> f64 {
        self.chosen(series)
            .map(|rows| rows.within(window).map(|row| rows.amount(row)).sum::<f64>())
            .sum()
    }

    /// Return, for each second of `window` that has one, the sum of the figures (of histograms: records) of `series`.
    pub fn per_second(&self, series: &[u32], window: &Range<i64>) -> Vec<(i64, f64)> {
        let mut found: Vec<(i64, f64)> = self
            .chosen(series)
            .flat_map(|rows| {
                rows.within(window)
                    .map(|row| (rows.seconds[row], rows.amount(row)))
            })
            .collect();
        found.sort_by_key(|(second, _)| *second);
        found.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 += next.1;
            }
            same
        });
        found
    }

    /// Return, for each second of `window` that has records, the `q`-quantile of the histograms of `series`, merged.
    pub fn quantile_per_second(
        &self,
        series: &[u32],
        q: f64,
        window: &Range<i64>,
    ) -> Vec<(i64, f64)> {
        let mut found: Vec<(i64, &[u8])> = self
            .histograms(series)
            .flat_map(|rows| {
                rows.within(window)
                    .map(|row| (rows.seconds[row], rows.encoded(row)))
            })
            .collect();
        found.sort_by_key(|(second, _)| *second);
        let mut merged = Histogram::new();
        let of_second = found.chunk_by(|one, next| one.0 == next.0);
        of_second
            .filter_map(|slices| {
                merged.clear();
                slices
                    .iter()
                    .for_each(|(_, encoded)| merged.merge_checked_bytes(encoded));
                Some((slices[0].0, merged.quantile(q)?))
            })
            .collect()
    }

    /// Return the same series in rows of `width_s` seconds, each named by its first: histograms merged, counters added,
    /// gauges averaged over the seconds that have one. `width_s` must be above zero.
    pub fn roll_up(&self, width_s: i64) -> Self {
        let width_s = width_s.max(1);
        let series = self.series.iter().map(|rows| {
            let mut rolled = Rows::new(rows.kind);
            let mut from = 0;
            for group in rows
                .seconds
                .chunk_by(|one, next| one.div_euclid(width_s) == next.div_euclid(width_s))
            {
                let start = group[0].div_euclid(width_s) * width_s;
                let range = from..from + group.len();
                from = range.end;
                if rows.kind == Kind::Histogram {
                    let mut merged = Histogram::new();
                    range.for_each(|row| merged.merge_checked_bytes(rows.encoded(row)));
                    rolled.add_histogram(start, &merged.to_bytes());
                } else {
                    let sum: f64 = rows.numbers[range].iter().sum();
                    let of = if rows.kind == Kind::Gauge {
                        group.len() as f64
                    } else {
                        1.0
                    };
                    rolled.add_number(start, sum / of);
                }
            }
            rolled
        });
        Self {
            series: series.collect(),
        }
    }

    fn chosen<'a>(&'a self, series: &'a [u32]) -> impl Iterator<Item = &'a Rows> {
        series
            .iter()
            .filter_map(|number| self.series.get(*number as usize))
    }

    fn histograms<'a>(&'a self, series: &'a [u32]) -> impl Iterator<Item = &'a Rows> {
        self.chosen(series)
            .filter(|rows| rows.kind == Kind::Histogram)
    }
}
