"""Configurations that share a trial of Ray's."""

from tests.sweeps import toy
from tests.sweeps.launching import contents, run, run_inline

SETTINGS = (
    *("search.explore=6", "search.sampler=random", "search.together=3", "search.window=3", "seeds.compare=1"),
    *("resources.engine=loop", "resources.retries=0"),
)
#: Some values of what is searched make a member fail: of the second batch alone, by the seed of the search.
MODULE = toy.breaking("self.settings.at > 0.8")
STUDY = toy.SCHEDULED.replace("lr: {low: 0.001, high: 0.1, log: true}", "schedules.lr.at: {low: 0.0, high: 1.0}")


def test_ray_and_this_process_alone_share_trials_alike_and_one_that_fails_is_alone(tmp_path):
    study = toy.write(tmp_path / "mine", MODULE, STUDY)
    inline, failed, _ = run_inline(study, tmp_path / "inline", *SETTINGS)
    given = [word for setting in SETTINGS for word in ("--set", setting)]
    done = run(study, "--runs", tmp_path / "ray", *given, check=False)
    results = contents(tmp_path / "ray" / "toy")
    assert results == contents(inline.paths.folder)
    breaking = [r for r in inline.ledger.records() if r.spec().values["schedules.lr.at"] > 0.8]
    assert [not record.finished for record in breaking] == [True] * len(failed)
    assert len(failed) == 1
    assert done.returncode
    for line in failed:
        assert line in done.stdout + done.stderr
    assert "3 of 3 cohorts did not finish in one trial: each is trained alone" in done.stdout
    together = [record.run()["together"] for record in inline.ledger.records() if record.finished]
    assert {1, 3} == set(together)
