"""What to do comes in the order of what it moves, with the measured gain beside it."""

from assess.made import finding, growth
from scaleworthy.assess.advice import in_order, recommendations, roadmap


def test_findings_are_ordered_by_verdict_priority_impact_and_name() -> None:
    given = [
        finding("z_fine", verdict="pass"),
        finding("later", priority="later"),
        finding("b"),
        finding("a"),
        finding("small", impact_level="low"),
        finding("warned", verdict="warn"),
    ]

    assert [f.id.split("/")[-1] for f in in_order(given)] == ["a", "b", "small", "later", "warned", "z_fine"]


def test_a_recommendation_carries_statement_measured_gain_and_the_finding_with_the_proof() -> None:
    (row,) = recommendations([finding("ix")], measured_gain={"database/0002/ix": "limit ×4.5"})

    assert row.statements == ("CREATE INDEX ix",)
    assert row.gain == "limit ×4.5"
    assert row.finding_id == "database/0002/ix"


def test_what_passed_or_has_no_fix_is_not_recommended() -> None:
    assert recommendations([finding("a", verdict="pass"), finding("b", fix=None)], measured_gain={}) == ()


def test_the_roadmap_puts_each_priority_in_its_phase_and_adds_what_the_size_needs() -> None:
    advice = recommendations([finding("a"), finding("b", priority="next")], measured_gain={})
    phases = roadmap(advice, [growth("10×", 33.0), growth("100×", 333.0, reachable=False, why="writes of one primary")])

    assert [phase.name for phase in phases] == ["Immediately", "This quarter", "This year"]
    assert phases[0].items[0] == "add a"
    assert "Run 4 application, 1 database" in phases[0].items[1]
    assert phases[1].items == ("add b", "Not reachable as built: writes of one primary")
    assert phases[2].items == ()


def test_a_tier_that_was_not_observed_is_not_said_to_need_no_server() -> None:
    unknown = growth("10×", 33.0, database_instances=0, cache_nodes=0)

    assert roadmap((), [unknown])[0].items == ("Run 4 application servers ($1,230 a month)",)
