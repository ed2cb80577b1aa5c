//! `schedule_preview` for Python: the planned starts of one thread, for tests against the plain-Python reference.
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use scaleworthy_engine as engine;

/// Starts that one look may return.
const PREVIEW_MAX: usize = 10_000_000;

#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "keyword arguments, in Python")]
#[pyo3(signature = (*, stages, arrivals, seed, thread = 0, threads = 1, limit = 100_000, gamma_shape = 1.0))]
pub fn schedule_preview(
    py: Python<'_>,
    stages: Vec<(u64, f64, f64)>,
    arrivals: &str,
    seed: u64,
    thread: u64,
    threads: u64,
    limit: usize,
    gamma_shape: f64,
) -> PyResult<Vec<u64>> {
    let spacing = match arrivals {
        "constant" => engine::Spacing::Even,
        "poisson" => engine::Spacing::POISSON,
        "gamma" if gamma_shape > 0.0 && gamma_shape <= 1e6 => {
            engine::Spacing::Random { shape: gamma_shape }
        }
        other => {
            return Err(PyValueError::new_err(format!(
                "arrivals must be 'constant', 'poisson' or 'gamma' with a gamma_shape above 0, got {other:?}"
            )));
        }
    };
    if thread >= threads || limit > PREVIEW_MAX {
        let text = format!("thread must be below threads, limit at most {PREVIEW_MAX}");
        return Err(PyValueError::new_err(text));
    }
    if stages.iter().any(|(ns, from, to)| {
        *ns == 0 || ![from, to].iter().all(|level| (0.0..=1e9).contains(*level))
    }) {
        return Err(PyValueError::new_err(
            "a stage is (duration_ns above 0, from, to), levels 0 to 1e9",
        ));
    }
    let stages: Vec<_> = stages
        .into_iter()
        .map(|(duration_ns, from, to)| engine::Stage {
            duration_ns,
            from,
            to,
        })
        .collect();
    Ok(py.detach(|| engine::preview(&stages, spacing, seed, thread, threads, limit)))
}

#[pyfunction]
#[pyo3(signature = (*, stages, at_ns))]
pub fn users_at(stages: Vec<(u64, f64, f64)>, at_ns: u64) -> u64 {
    let stages = stages
        .into_iter()
        .map(|(duration_ns, from, to)| engine::Stage {
            duration_ns,
            from,
            to,
        })
        .collect();
    engine::UserLevels::new(stages).users_at(at_ns)
}
