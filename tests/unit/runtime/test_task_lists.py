"""Task lists in S3: every form is read, checked line by line, pinned once, and read again in parts."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
import tracemalloc
from collections.abc import Iterable
from typing import Any
from unittest.mock import Mock

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from ecs_kit.runtime.contract import task_lists
from ecs_kit.runtime.contract.errors import RunIdInUse, SpecRefused
from ecs_kit.runtime.contract.spec_references import PINNED_PREFIX
from ecs_kit.runtime.contract.specs import Deployed, TaskEntry, to_entry
from ecs_kit.runtime.contract.task_lists import MAX_ENTRY_BYTES, MAX_LIST_BYTES, Form
from ecs_kit.runtime.functions.task_lists import InlineList, TaskListStore, checked, open_list, pin_inline
from tests.unit.runtime.fakes import EXECUTION, FakeBucket, client_error, execution, infrastructure, spec
from tests.unit.runtime.test_monitor import event, plenty

DEPLOYED = Deployed(infrastructure(), security_group_ids=("sg-tasks",), source_buckets=("elsewhere", "closed"))
KEY = "specs/list"
PINNED = f"{PINNED_PREFIX}1.tasks.jsonl"
OTHER = EXECUTION.replace(":one", ":two")


def jsonl(*entries: Any) -> bytes:
    return b"".join(json.dumps(entry).encode() + b"\n" for entry in entries)


def task(name: str = "a", **more: Any) -> dict[str, Any]:
    return {"taskName": name, "objectKey": "k", **more}


def pin(text: bytes, form: Form, bucket: FakeBucket | None = None) -> Any:
    bucket = bucket or FakeBucket()
    bucket.objects[KEY + form] = text
    return TaskListStore(bucket, "kit-1").pin_uri(f"s3://kit-1/{KEY}{form}", DEPLOYED, PINNED)


def refusal(text: bytes, form: Form) -> list[str]:
    bucket = FakeBucket()
    with pytest.raises(SpecRefused) as refused:
        pin(text, form, bucket)
    assert list(bucket.objects) == [KEY + form], "nothing is pinned"
    return [str(problem) for problem in refused.value.problems]


TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
ENTRIES = st.lists(
    st.fixed_dictionaries(
        {"taskName": st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,20}", fullmatch=True)},
        optional={
            "objectKey": st.from_regex(r"[a-zäß😀,\"' ]{1,9}/[a-z]{1,5}", fullmatch=True),
            "s3BucketName": st.just("elsewhere"),
            "command": st.lists(TEXTS.filter(bool), min_size=1, max_size=3),
            "environment": st.dictionaries(
                st.from_regex("[A-Z_]{1,5}", fullmatch=True), TEXTS.filter(bool), max_size=3
            ),
        },
    ).map(lambda entry: entry | ({"cpu": 256, "memory": 512} if len(entry["taskName"]) % 2 else {})),
    min_size=1,
    max_size=12,
    unique_by=lambda entry: entry["taskName"],
)
NO_OBJECTS = Deployed(infrastructure(), source_buckets=("elsewhere",), needs_objects=False)


def written(form: Form, entries: list[dict[str, Any]], *, indented: bool) -> bytes:
    if form is Form.JSON:
        return json.dumps(entries, indent=1 if indented else None).encode()
    if form is Form.JSON_LINES:
        return (
            ("\n\n" if indented else "\n").join(json.dumps(entry, ensure_ascii=indented) for entry in entries).encode()
        )
    names = sorted({name for entry in entries for name in entry.get("environment", ())})
    columns = [
        "taskName",
        "objectKey",
        "s3BucketName",
        "command",
        "cpu",
        "memory",
        *(f"environment.{n}" for n in names),
    ]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\r\n" if indented else "\n")
    writer.writeheader()
    for entry in entries:
        cells = {name: value for name, value in entry.items() if name not in ("command", "environment")}
        cells |= {f"environment.{name}": value for name, value in entry.get("environment", {}).items()}
        if "command" in entry:
            cells["command"] = json.dumps(entry["command"])
        writer.writerow(cells)
    return b"\xef\xbb\xbf" + text.getvalue().encode()


class TestForms:
    @given(ENTRIES, st.sampled_from([Form.JSON_LINES, Form.JSON, Form.CSV]), st.booleans(), st.data())
    def test_what_is_written_in_any_form_is_read_again_from_the_pinned_copy(
        self, entries: list[dict[str, Any]], form: Form, indented: bool, data: Any
    ) -> None:
        bucket = FakeBucket()
        bucket.objects[KEY + form] = written(form, entries, indented=indented)
        store = TaskListStore(bucket, "kit-1")
        pinned = store.pin_uri(f"s3://kit-1/{KEY}{form}", NO_OBJECTS, PINNED)
        expected = [to_entry(entry, "kit-1") for entry in entries]
        first = data.draw(st.integers(0, len(entries)))
        last = data.draw(st.integers(first, len(entries)))
        for each in (pinned, store.pinned(PINNED), InlineList(expected)):
            assert list(each.entries(first, last)) == expected[first:last]
            assert len(each) == len(entries)
            assert list(each.names()) == [entry["taskName"] for entry in entries]

    def test_a_prefix_has_a_task_for_each_object_but_folders(self) -> None:
        bucket = FakeBucket()
        keys = ["in/", "in/a.txt", "in/b/c d.txt", "in/b/", "in/ä", "in/x" + "y" * 200, "other"]
        bucket.objects |= dict.fromkeys(keys, b"")
        pinned = TaskListStore(bucket, "kit-1").pin_uri("s3://elsewhere/in/", DEPLOYED, PINNED)
        entries = pinned.entries(0, len(pinned))
        assert [entry.key for entry in entries] == sorted(key for key in keys[:-1] if not key.endswith("/"))
        assert {entry.bucket for entry in entries} == {"elsewhere"}
        names = [entry.name for entry in entries]
        assert names[:2] == ["a.txt", "b-c-d.txt-" + names[1][-12:]] and len(names[2]) == 128

    @given(st.lists(st.text(max_size=300), unique=True, max_size=20))
    def test_names_of_keys_are_valid_and_depend_on_the_key_alone(self, keys: list[str]) -> None:
        names = [task_lists.name_of_key(key) for key in keys]
        assert all(re.fullmatch(r"(?!\.{1,2}$)[A-Za-z0-9_.-]{1,128}", name) for name in names)
        assert len(set(names)) == len(keys)

    def test_a_key_that_a_task_may_not_have_and_a_name_that_is_taken_are_refused(self) -> None:
        bucket = FakeBucket()
        twin = task_lists.name_of_key("a b")
        bucket.objects |= {"in/a b": b"", f"in/{twin}": b"", "in/c\nd": b""}
        with pytest.raises(SpecRefused) as refused:
            TaskListStore(bucket, "kit-1").pin_uri("s3://kit-1/in/", DEPLOYED, PINNED)
        found = [str(problem) for problem in refused.value.problems]
        assert found[0].startswith(
            f"$.taskListUri object 'in/{twin}', taskName: '{twin}' is already the name of object 1"
        )
        assert found[1].startswith("$.taskListUri object 'in/c\\nd', objectKey: must be an object's key")


LINE_17 = [task(f"t{n}") for n in range(16)]


class TestRefusals:
    @pytest.mark.parametrize(
        ("entry", "problem"),
        [
            (task("t3"), ", taskName: 't3' is already the name of line 4; every task needs a name of its own"),
            (task("b", ram=1), ": has unknown attribute ram; known are taskName, s3BucketName"),
            (task("b/c"), ", taskName: must be 1 to 128 letters"),
            ({"objectKey": "k"}, ": misses attribute taskName"),
            ({"taskName": "b"}, ": misses attribute objectKey, which this stack's job needs"),
            (task("b", s3BucketName="foreign"), ", s3BucketName: tasks of this stack may not read from 'foreign'"),
            (task("b", objectKey="specs/k"), ", objectKey: is below specs/ of the pattern's bucket"),
            (task("b", cpu=256, memory=77), ", memory: must be one of 512, 1024, 2048, which Fargate offers"),
            (task("b", command=["{nothing}"]), ""),
            (task("b", environment={"KIT_A": "1"}), ", environment.KIT_A: is reserved"),
            (task("b", environment={"A": "x" * 6001}), ": has 6002 characters of command and environment"),
            ("text", ': must be an object, not "text"'),
            (None, ": must be an object, not null"),
        ],
    )
    def test_an_entry_is_refused_for_what_an_inline_one_is(self, entry: Any, problem: str) -> None:
        if not problem:
            entry, problem = task("b", command=[]), ", command: must be a list of 1 to 100 words"
        (found,) = refusal(jsonl(*LINE_17, entry), Form.JSON_LINES)
        assert found.startswith(f"$.taskListUri line 17{problem}")

    @pytest.mark.parametrize(
        ("form", "text", "problem"),
        [
            (Form.JSON_LINES, b'{"taskName":\n', " line 1: is not JSON: Expecting value at column"),
            (Form.JSON_LINES, b"\n\xff\n", " line 2: is not UTF-8 at byte 1"),
            (Form.JSON_LINES, b"[" * 100_000, " line 1: is not JSON that can be read: it is nested too deeply"),
            (Form.JSON_LINES, b" " * (MAX_ENTRY_BYTES + 1), f" line 1: is longer than {MAX_ENTRY_BYTES} bytes"),
            (Form.JSON_LINES, b"\n \n", ": is empty; name at least one task"),
            (Form.JSON, b"[]", ": is empty; name at least one task"),
            (Form.JSON, b"", " line 1: must be the beginning of a JSON array: ["),
            (Form.JSON, b'{"taskList": []}', " line 1: must be the beginning of a JSON array"),
            (Form.JSON, b"[\n7]", " line 2, entry 1: must be a JSON object, not '7'"),
            (Form.JSON, b'[\n\n{"a"\n:}]', " line 4, entry 1: is not JSON: Expecting value"),
            (
                Form.JSON,
                b'[{"taskName":"a","objectKey":"k"}\n{}]',
                " line 2, entry 1: must be followed by a comma or ]",
            ),
            (Form.JSON, b'[{"taskName":"a","objectKey":"k"},]', " line 1, entry 2: must be a JSON object, not ']'"),
            (Form.JSON, b'[{"taskName":"a","objectKey":"k"}', " line 1, entry 1: must be followed by a comma or ]"),
            (Form.JSON, b'[{"taskName":"a","objectKey":"k"}]\n1', " line 2: has text after the array's end"),
            (Form.JSON, b"[\xff]", " line 1: is not UTF-8"),
            (Form.JSON, b"[" + b'{"a":' * 100_000, " line 1, entry 1: is not JSON that can be read"),
            (
                Form.CSV,
                b"taskName;objectKey\n",
                " line 1: has no such column: 'taskName;objectKey'; known are taskName",
            ),
            (Form.CSV, b"objectKey\nk\n", " line 1: misses the column taskName"),
            (Form.CSV, b"taskName,taskName\nk\n", " line 1: has the column 'taskName' twice"),
            (Form.CSV, b"taskName,objectKey\na,b,c\n", " line 2: has 3 cells, and the header 2"),
            (Form.CSV, b'taskName,objectKey\n\na,"b\n', " line 3: is not CSV: unexpected end of data"),
            (Form.CSV, b"taskName,objectKey\na,\xff\n", " line 2: is not UTF-8 at byte 3"),
            (Form.CSV, b"taskName,objectKey,cpu\na,k,many\n", " line 2, column cpu: must be a whole number, not"),
            (Form.CSV, b"taskName,objectKey,cpu\na,k,256\n", " line 2: has cpu without memory"),
            (Form.CSV, b"taskName,objectKey,command\na,k,go\n", " line 2, column command: must be a JSON array"),
            (Form.CSV, b'taskName,objectKey,command\na,k,"[1]"\n', " line 2, column command: must be a string, not 1"),
            (Form.CSV, b"taskName,objectKey,environment.1\na,k,v\n", " line 2, column environment"),
            (Form.CSV, b'taskName,objectKey\n"a",k\n"b\n",k\n', " line 3, column taskName: must be 1 to 128"),
            (Form.CSV, b"taskName,objectKey\n", ": is empty; name at least one task"),
        ],
    )
    def test_a_bad_line_is_named(self, form: Form, text: bytes, problem: str) -> None:
        found = refusal(text, form)
        assert found[0].startswith(f"$.taskListUri{problem}"), found

    def test_twenty_problems_are_shown_and_the_others_counted(self) -> None:
        found = refusal(jsonl(*[task("a/b")] * 33), Form.JSON_LINES)
        assert len(found) == 21 and found[-1] == "$.taskListUri: has 13 more problems"
        assert found[19].startswith("$.taskListUri line 20, taskName")

    def test_an_entry_that_crosses_what_is_read_at_once_is_read(self) -> None:
        entries = [task(f"t{n}", environment={"A": "ä" * 5000}) for n in range(60)]
        pinned = pin(json.dumps(entries, ensure_ascii=False).encode(), Form.JSON)
        assert list(pinned.names()) == [entry["taskName"] for entry in entries]

    def test_a_list_of_too_many_tasks_or_bytes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("ecs_kit.runtime.functions.task_lists.MAX_TASKS", 3)
        assert len(pin(jsonl(*map(task, "abc")), Form.JSON_LINES)) == 3
        (found,) = refusal(jsonl(*map(task, "abcd")), Form.JSON_LINES)
        assert "has more than 3 tasks" in found
        monkeypatch.setattr("ecs_kit.runtime.functions.task_lists.MAX_LIST_BYTES", 9)
        (found,) = refusal(jsonl(task()), Form.JSON_LINES)
        assert "9 is the most" in found

    @pytest.mark.parametrize(
        ("uri", "problem"),
        [
            ("s3://kit-1/specs/list.txt", "must be s3://BUCKET/KEY.jsonl, .json or .csv, or a prefix"),
            ("https://kit-1/specs/list.csv", "must be s3://BUCKET/KEY.jsonl"),
            ("s3://elsewhere/specs/list.csv", "must be an object below s3://kit-1/specs/"),
            ("s3://kit-1/list.csv", "must be an object below s3://kit-1/specs/"),
            (f"s3://kit-1/{PINNED}", "must be an object below s3://kit-1/specs/, but not below"),
            ("s3://kit-1/", "must be a prefix that has no part of specs/"),
            ("s3://kit-1/specs/in/", "must be a prefix that has no part of specs/"),
            ("s3://foreign/in/", "is in 'foreign', not in one of kit-1, elsewhere, closed; add it to the"),
            ("s3://kit-1/specs/list.csv", "names s3://kit-1/specs/list.csv, which does not exist or may not be read"),
            ("s3://closed/in/", "names s3://closed/in/, which cannot be listed"),
            ("s3://elsewhere/none/", "is empty; name at least one task"),
        ],
    )
    def test_a_list_that_is_not_where_one_may_be(self, uri: str, problem: str) -> None:
        bucket = FakeBucket()
        with pytest.raises(SpecRefused, match=re.escape(f"$.taskListUri: {problem}")):
            TaskListStore(bucket, "kit-1").pin_uri(uri, DEPLOYED, PINNED)
        assert bucket.objects == {}


class TestPinned:
    def test_a_put_that_meets_another_one_is_an_error_that_is_retried(self, monkeypatch: pytest.MonkeyPatch) -> None:
        bucket = FakeBucket()
        conflict = client_error("ConditionalRequestConflict", operation="PutObject", status=409)
        monkeypatch.setattr(bucket, "put_object", Mock(side_effect=conflict))
        with pytest.raises(ClientError, match="ConditionalRequestConflict"):
            pin(jsonl(task()), Form.JSON_LINES, bucket)

    def test_entries_are_read_in_one_range_and_the_last_one_is_kept(self) -> None:
        bucket = FakeBucket()
        store = TaskListStore(bucket, "kit-1")
        entries = [TaskEntry(f"t{n}", "kit-1", "k" * (n % 7 + 1)) for n in range(1750)]
        pinned = pin_inline(store, entries, PINNED)
        assert pinned.uri == f"s3://kit-1/{PINNED}"
        assert json.loads(bucket.objects[task_lists.index_key(PINNED)])["tasks"] == 1750
        for first, last, reads in [(0, 500, 1), (3, 4, 0), (1700, 1750, 1), (499, 501, 1), (0, 1000, 0), (7, 7, 0)]:
            bucket.reads.clear()
            assert list(pinned.entries(first, last)) == entries[first:last]
            assert len(bucket.reads) == reads, (first, last)
        with pytest.raises(IndexError):
            pinned.entries(1700, 1751)
        assert list(store.pinned(PINNED).names()) == [entry.name for entry in entries]

    def test_the_copy_of_an_interrupted_or_a_concurrent_call_wins(self) -> None:
        bucket = FakeBucket()
        store = TaskListStore(bucket, "kit-1")
        bucket.objects[PINNED] = b"".join(task_lists.canonical(TaskEntry(n, "kit-1", "k").document) for n in "xyz")
        assert store.pinned(PINNED) is None, "without its index a list may be incomplete"
        pinned = pin_inline(store, [TaskEntry("other", "kit-1", "k")], PINNED)
        assert list(pinned.names()) == ["x", "y", "z"]
        assert list(pin_inline(store, [], PINNED).names()) == ["x", "y", "z"]

    def test_a_failure_of_s3_is_not_a_refusal(self) -> None:
        bucket = FakeBucket()

        def failing(**_: Any) -> Any:
            raise client_error("SlowDown", operation="GetObject", status=503)

        bucket.get_object = failing  # type: ignore[method-assign]
        with pytest.raises(Exception, match="SlowDown"):
            TaskListStore(bucket, "kit-1").pinned(PINNED)

    @pytest.mark.no_cover  # tracing of memory and of lines together takes several times as long
    def test_a_list_takes_little_memory(self) -> None:
        """The names alone are kept: 320 bytes a task, 32 MB for 100,000."""
        entries = 25_000

        class Lines(io.RawIOBase):
            """A file of entries that are made when they are read."""

            def __init__(self) -> None:
                self.made = (jsonl(task(f"task-{n:06}", objectKey=f"in/{n:06}.txt")) for n in itertools.count())

            def readline(self, _size: int | None = -1) -> bytes:
                return next(self.made)

        lines = itertools.islice(task_lists.lines(Form.JSON_LINES, Lines()), entries)  # type: ignore[arg-type]
        tracemalloc.start()
        try:
            index = task_lists.Index.of_lengths(
                len(task_lists.canonical(entry.document))
                for entry in checked(lines, Form.JSON_LINES, "kit-1", DEPLOYED)
            )
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert index.tasks == entries and len(index.offsets) == entries // 500 + 1
        assert peak < 320 * entries

    def test_limits_fit_a_function(self) -> None:
        """Source and copy are files in 512 MB of temporary storage."""
        assert MAX_LIST_BYTES + (MAX_LIST_BYTES + 100 * task_lists.MAX_TASKS) < 512 * 1024 * 1024


def named(pattern: int = 1, uri: str = "", **changes: Any) -> dict[str, Any]:
    return spec(pattern, taskList=None, taskListUri=uri or f"s3://kit-{pattern}/{KEY}.jsonl", **changes)


def put(w: Any, names: Iterable[str]) -> None:
    w.bucket.objects[f"{KEY}.jsonl"] = jsonl(*map(task, names))


class TestRuns:
    def test_a_run_keeps_its_list_when_the_original_changes(self, w: Any) -> None:
        put(w, "ab")
        call = {"execution": execution(), "spec": named()}
        assert w.launcher.launch(call, plenty)["launched"] == 2
        put(w, "abcd")
        w.bucket.reads.clear()
        assert w.launcher.launch(call, plenty)["numberOfTasks"] == 2
        key = f"{PINNED_PREFIX}{w.run_id}.tasks.jsonl"
        assert w.bucket.reads[0] == task_lists.index_key(key) and f"{KEY}.jsonl" not in w.bucket.reads
        summary = w.summary()
        assert (summary.task_list, summary.number_of_tasks) == (key, 2)
        assert [row.task_name for row in w.rows()] == ["a", "b"]

    def test_nothing_is_written_for_a_list_that_is_refused(self, w: Any) -> None:
        put(w, ["a", "b/c"])
        with pytest.raises(SpecRefused, match=r"\$.taskListUri line 2, taskName"):
            w.launcher.launch({"execution": execution(), "spec": named()}, plenty)
        assert w.summary() is None and w.ecs.calls == []

    @pytest.mark.parametrize("changes", [{"taskListUri": f"s3://kit-1/{KEY}.csv"}, {"taskList": None}])
    def test_a_spec_has_a_list_or_names_one(self, w: Any, changes: dict[str, Any]) -> None:
        with pytest.raises(SpecRefused, match=r"\$: (has both taskList and|misses taskList, or) taskListUri"):
            w.launcher.launch({"execution": execution(), "spec": spec(**changes)}, plenty)

    def test_the_same_run_id_in_another_workflow_has_a_list_of_its_own(self, w: Any) -> None:
        put(w, "ab")
        w.launcher.launch({"execution": execution(), "spec": named(workflowRunId=7)}, plenty)
        put(w, "xyz")
        other = named(workflowRunId=7, workflowName="other")
        assert w.launcher.launch({"execution": execution(OTHER), "spec": other}, plenty)["numberOfTasks"] == 3
        with pytest.raises(RunIdInUse):
            w.launcher.launch({"execution": execution(OTHER), "spec": named(workflowRunId=7)}, plenty)

    def test_a_rerun_and_the_earlier_run_name_each_other(self, w: Any) -> None:
        earlier = w.launch(1, workflowRunId=7)
        again = {"execution": execution(OTHER), "spec": spec(tasks=1, workflowRunId=8, rerunOf=7)}
        with pytest.raises(SpecRefused, match=r"\$.rerunOf: names run 7 of workflow copying, which has not ended"):
            w.launcher.launch(again, plenty)
        w.summaries.set_rerun(w.summaries.get("copying", 7), 1)
        assert w.summaries.get("copying", 7).rerun_by == 1
        ended = event("ABORTED", input=json.dumps(spec(tasks=1, workflowRunId=7)))
        assert w.monitor.finalize_from_event(ended, plenty)["finalized"] and earlier
        w.launcher.launch(again, plenty)
        assert (w.summaries.get("copying", 8).rerun_of, w.summaries.get("copying", 7).rerun_by) == (7, 8)
        with pytest.raises(SpecRefused, match="which does not exist"):
            w.launcher.launch({"execution": execution(EXECUTION + "3"), "spec": spec(rerunOf=99)}, plenty)

    def test_pattern_2_gets_the_entries_and_its_monitor_knows_the_names(self, world: Any) -> None:
        w = world(2)
        put(w, "ab")
        answer = w.monitor.register({"execution": execution(), "spec": named(2)})
        assert answer["taskList"] == [task("a", s3BucketName="kit-2"), task("b", s3BucketName="kit-2")]
        w.end_launching()
        assert w.poll()["failed"] == 2

    def test_a_run_that_is_stopped_before_it_registered_has_a_list(self, world: Any) -> None:
        w = world(2)
        put(w, "ab")
        stopped = event("ABORTED", pattern=2, input=json.dumps(named(2)))
        assert w.monitor.finalize_from_event(stopped, plenty)["finalized"]
        assert w.summary().failed_tasks == 2

    def test_a_pinned_list_that_was_deleted_is_an_error(self, w: Any) -> None:
        put(w, "ab")
        w.launcher.launch({"execution": execution(), "spec": named()}, plenty)
        w.bucket.objects.clear()
        with pytest.raises(SpecRefused, match="which was deleted"):
            open_list(w.summary().task_list, w.launcher.task_lists, dict)

    def test_the_state_machine_of_pattern_2_reads_a_list_that_its_history_cannot_hold(self, world: Any) -> None:
        w = world(2)
        put(w, map(str, range(2000)))
        answer = w.monitor.register({"execution": execution(), "spec": named(2)})
        assert "taskList" not in answer and answer["pinnedList"] == {"bucket": "kit-2", "key": w.summary().task_list}
