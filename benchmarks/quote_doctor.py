"""The score of the doctor on planted faults as a part of its page of the docs, made of `benchmarks/results/` alone."""

from typing import Any

from benchmarks.recording import RESULTS, quoted, recorded

BEGIN = "<!-- measured:begin (written by `python -m benchmarks.quote`) -->\n"
END = "<!-- measured:end -->"
SHARES = (
    ("recall", "recall: the right diagnosis is among the findings"),
    ("root_first", "root cause named first"),
    ("precision", "precision: findings that are right, of all that are no consequence"),
    ("false_alarms", "healthy runs with a finding"),
)


def page(text: str) -> str:
    """Return the text of the page with the figures of today between its markers."""
    start, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    return (
        text[:start]
        + "\n".join(part for part in (_found(), _scripts(), _cured(), _cost(), _peers()) if part)
        + text[end:]
    )


def _found() -> str:
    if not (RESULTS / "doctor.json").exists():
        return ""
    said = recorded("doctor")
    rows = [
        f"| {words} | {' | '.join(_share(said[half][name]) for half in ('all', 'seen', 'held_out'))} |"
        for name, words in SHARES
    ]
    made = said.get("runs_made", {})
    when = ", ".join(f"{number} at {hour} h UTC" for hour, number in made.items())
    return "\n".join(
        [
            f"{said['faulty_runs']} faulty runs of {said['kinds']} kinds and {said['healthy_runs']} healthy ones "
            f"count. {said['harmless_runs']} faults did not hurt; of {said['not_known_to_hurt']} it is not known. "
            "Thresholds were fitted on the seen programs. Misses on those held out were looked at on 2026-11-27 and "
            "2026-11-28 and changed rules, so their column is no longer that of programs nobody saw.",
            "",
            "| share, 95 % interval | all | seen programs | programs held out |",
            "|---|---|---|---|",
            *rows,
            "",
            f"Runs were recorded on {said['cpu']}: {when or said['made_at'][:10]}; the rules are those of "
            f"{said['made_at'][:10]}.",
            "",
        ]
    )


def _scripts() -> str:
    if not (RESULTS / "doctor_scripts.json").exists():
        return ""
    said = recorded("doctor_scripts")
    scores = said["scores"]
    pairs = {name: one for name, one in said["scripts"].items() if "faulty" in one}
    named = (name for name, one in pairs.items() if not set(one["faulty"]) & set(one["roots"]))
    return (
        f"{scores['recall']['n']} whole scripts in styles that those programs do not have (trainers, GAN, adapters, "
        "distillation, segmentation and so on), each with its fault and without: the fault is "
        f"found in {_share(scores['recall'])}, named first in {_share(scores['root_first'])}; without the "
        f"fault {_share(scores['false_alarms'])} have a finding, of healthy scripts that look odd "
        f"{_share(scores['healthy_alarms'])}. Rules were changed for what these scripts showed. Not "
        f"found: {', '.join(f'`{name}`' for name in named) or 'none'}.\n{_sealed()}"
    )


def _sealed() -> str:
    if not (RESULTS / "doctor_sealed.json").exists():
        return ""
    collections = recorded("doctor_sealed")["collections"]
    return "\n".join(
        [
            "",
            "Of them, those of this table were sealed before: written from questions of users and issues of "
            "repositories by somebody who did not know the rules, and diagnosed once. That first sight is the best "
            "guess for your scripts:",
            "",
            "| collection | faults named first | without the fault, with a finding | healthy, with a finding |",
            "|---|---|---|---|",
            *(
                f"| {name} | {_share(one['root_first'])} | {_share(one['false_alarms'])} | "
                f"{_share(one['healthy_alarms'])} |"
                for name, one in sorted(collections.items())
            ),
            "",
        ]
    )


def _cured() -> str:
    if not (RESULTS / "doctor_cures.json").exists():
        return ""
    said = recorded("doctor_cures")
    line, rows = said["the_line_to_change"], (("all", said), *((name, said[name]) for name in _CURED))
    return "\n".join(
        [
            f"`--fix` on {said['faults']} of these faults, of {said['kinds']} kinds: a remedy could be tried on "
            f"{said['a_remedy_was_tried']}; {line['faults']} need a line of the code to be changed by hand. A fault is "
            "curable where the program without it is better in all five pairs. Those of the second row, the strongest "
            "dose of each kind in a quick program, were looked at while remedies were mended. Those of the third are "
            "drawn by a seed, one of each kind before a second, and were tried with the remedies as they are.",
            "",
            "| faults | curable | the first remedy cures | some remedy cures |",
            "|---|---|---|---|",
            *(
                f"| {name.replace('_', ' ')} | {one['curable']} | {_share(one['first_remedy_cures'])} | "
                f"{_share(one['some_remedy_cures'])} |"
                for name, one in rows
            ),
            "",
        ]
    )


_CURED = ("seen_while_mending", "fresh")


def _cost() -> str:
    if not (RESULTS / "doctor_overhead.json").exists():
        return ""
    said = recorded("doctor_overhead")
    rows = [
        f"| {name}, {one['dynamics']['step_ms']:.3g} ms "
        f"| {' | '.join(quoted(one[kind]['unwatched_ratio'], 3) for kind in ('dynamics', 'all'))} |"
        for name, one in said.items()
        if isinstance(one, dict) and "dynamics" in one
    ]
    return "\n".join(
        [
            "What it costs in steps that it does not watch, once losses are read at a distance "
            "(`benchmarks/doctor_overhead.py`, processor time on one core, beside other work). Steps that are "
            "watched may take another 0.5 % of the time, and 2 s more in all.",
            "",
            "| training, its step | dynamics alone | all tiers |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


def _peers() -> str:
    if not (RESULTS / "doctor_peers.json").exists():
        return ""
    said = recorded("doctor_peers")
    told = "; ".join(
        f"`{name}` finds {_share(one['recall'])}, of kinds that it has a rule for {_share(one['in_scope']['recall'])}, "
        f"precision {_share(one['precision'])}, healthy runs with a finding {_share(one['false_alarms'])}"
        for name, one in said["scores"].items()
    )
    left_out = "; ".join(f"{name} {why}" for name, why in said["not_asked"].items())
    return (
        f"Others on a random part ({said['part']}) of the same programs, without the hard negatives, each called as "
        "its documentation says, each of its findings read in the kindest way (`python -m benchmarks.doctor.peers`): "
        f"{told}. The first looks at one training step, the second at logged numbers only: both aim at less. Not "
        f"asked: {left_out}.\n"
    )


def _share(one: dict[str, Any]) -> str:
    if not one["n"]:
        return "-"
    low, high = one["clopper_pearson"]
    return f"{one['share']:.3f} [{low:.3f}, {high:.3f}] ({one['right']}/{one['n']})"
