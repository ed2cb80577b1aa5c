use proptest::prelude::*;

use super::*;

fn entry(value: u32, tags: &[&str]) -> Entry<u32> {
    Entry {
        value,
        life: Life {
            due_ns: 100,
            stale_ns: 200,
            gone_ns: 300,
        },
        load_ns: 0,
        tags: tags.iter().map(|&tag| tag.into()).collect(),
    }
}

fn kept(table: &mut Table<u32>, key: &str) -> Option<u32> {
    table.get(key, 0).map(|(entry, _)| entry.value)
}

#[test]
fn an_entry_is_fresh_then_due_then_stale_then_gone() {
    let mut table = Table::new(2);
    table.put("a", entry(1, &[]));
    let states: Vec<_> = [99, 100, 199, 200, 299, 300, 0]
        .iter()
        .map(|&now| table.get("a", now).map(|(_, state)| state))
        .collect();
    use State::{Due, Fresh, Stale};
    assert_eq!(
        states,
        [
            Some(Fresh),
            Some(Due),
            Some(Due),
            Some(Stale),
            Some(Stale),
            None,
            None
        ]
    );
    assert!(
        table.is_empty(),
        "what is gone by time is dropped when asked for"
    );
    let Counts {
        hits,
        stale,
        misses,
        ..
    } = table.counts();
    assert_eq!((hits, stale, misses), (3, 2, 2));
}

#[test]
fn what_is_prolonged_is_fresh_again_and_gone_when_it_was_to_be() {
    let mut table = Table::new(2);
    table.put("a", entry(1, &[]));
    table.prolong("a", 280);
    assert_eq!(
        table.peek("a", 279).map(|(_, state)| state),
        Some(State::Fresh)
    );
    assert_eq!(
        table.peek("a", 280).map(|(_, state)| state),
        Some(State::Stale)
    );
    table.prolong("a", 1000);
    assert_eq!(
        table.peek("a", 299).map(|(_, state)| state),
        Some(State::Fresh)
    );
    assert!(table.peek("a", 300).is_none());
    table.prolong("b", 1000);
    assert_eq!(table.len(), 1);
}

#[test]
fn a_tag_drops_all_that_have_it_and_nothing_else() {
    let mut table = Table::new(10);
    table.put("a", entry(1, &["leads", "x"]));
    table.put("b", entry(2, &["leads"]));
    table.put("c", entry(3, &["calls"]));
    table.put("b", entry(4, &["calls"]));
    assert_eq!(table.remove_tag("leads"), 1);
    assert_eq!(kept(&mut table, "a"), None);
    assert_eq!(kept(&mut table, "b"), Some(4));
    assert_eq!(table.remove_tag("x"), 0);
    assert_eq!(table.remove_tag("calls"), 2);
    assert!(table.is_empty());
    assert!(
        table.by_tag.is_empty(),
        "a tag that nothing has takes no memory"
    );
}

#[test]
fn a_scan_does_not_push_out_what_is_asked_for_again() {
    let mut table = Table::new(100);
    for round in 0..5 {
        for key in 0..50 {
            let key = format!("hot{key}");
            if table.get(&key, 0).is_none() {
                table.put(&key, entry(round, &[]));
            }
        }
    }
    for key in 0..10_000 {
        table.put(&format!("scan{key}"), entry(0, &[]));
    }
    let left = (0..50)
        .filter(|key| table.get(&format!("hot{key}"), 0).is_some())
        .count();
    assert!(left >= 45, "{left} of 50");
}

/// A key drawn by Zipf's law with exponent 0.9 from a sequence that `seed` begins.
fn zipf(keys: usize, seed: &mut u64, cumulative: &[f64]) -> usize {
    *seed = seed
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    let draw = (*seed >> 11) as f64 / (1u64 << 53) as f64 * cumulative[keys - 1];
    cumulative.partition_point(|&sum| sum < draw).min(keys - 1)
}

#[test]
fn it_hits_more_often_than_least_recently_used_does() {
    // 100,000 keys, room for 1 %: benchmarks/bench_cache.py, by the same law, finds 34 % of them in an LRU and 44 % here.
    let keys = 100_000;
    let mut sum = 0.0;
    let cumulative: Vec<f64> = (1..=keys)
        .map(|rank| {
            sum += (rank as f64).powf(-0.9);
            sum
        })
        .collect();
    let mut table = Table::new(keys / 100);
    let mut seed = 1;
    for _ in 0..400_000 {
        let key = zipf(keys, &mut seed, &cumulative).to_string();
        if table.get(&key, 0).is_none() {
            table.put(&key, entry(0, &[]));
        }
    }
    let Counts { hits, misses, .. } = table.counts();
    let ratio = hits as f64 / (hits + misses) as f64;
    assert!(ratio > 0.43, "{ratio}");
}

#[derive(Debug, Clone)]
enum Act {
    Get(u8),
    Put(u8, u8),
    Remove(u8),
    RemoveTag(u8),
    Clear,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        8 => (0..20u8).prop_map(Act::Get),
        8 => (0..20u8, 0..4u8).prop_map(|(key, tag)| Act::Put(key, tag)),
        2 => (0..20u8).prop_map(Act::Remove),
        1 => (0..4u8).prop_map(Act::RemoveTag),
        1 => Just(Act::Clear),
    ];
    prop::collection::vec(act, 0..200)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_it_shows_was_put_last_and_not_dropped_since(entries in 1..12usize, acts in acts()) {
        let mut table = Table::new(entries);
        let mut truth: HashMap<u8, (u32, u8)> = HashMap::new();
        for (number, act) in (0u32..).zip(acts) {
            match act {
                Act::Get(key) => {
                    if let Some(value) = kept(&mut table, &key.to_string()) {
                        prop_assert_eq!(Some(value), truth.get(&key).map(|(value, _)| *value));
                    }
                }
                Act::Put(key, tag) => {
                    table.put(&key.to_string(), entry(number, &[&tag.to_string()]));
                    truth.insert(key, (number, tag));
                    prop_assert_eq!(kept(&mut table, &key.to_string()), Some(number));
                }
                Act::Remove(key) => {
                    table.remove(&key.to_string());
                    truth.remove(&key);
                }
                Act::RemoveTag(tag) => {
                    table.remove_tag(&tag.to_string());
                    truth.retain(|_, (_, other)| *other != tag);
                }
                Act::Clear => {
                    table.clear();
                    truth.clear();
                }
            }
            prop_assert!(table.len() <= entries);
            prop_assert_eq!(table.len(), table.small.len() + table.main.len());
            prop_assert_eq!(table.len(), table.by_key.len());
            prop_assert!(table.ghosts.order.len() <= entries);
        }
    }
}
