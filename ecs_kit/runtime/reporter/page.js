"use strict";
(() => {
const ROW = 36, SPARE = 12, FEW = 30, MOST_FAILED = 10, MOST_SLOW = 10, MOST_PRINTED = 500, POLL_MILLISECONDS = 2000;
const WAITING = 0, COMPLETED = 3, FAILED = 4;
// Columns of an attempt.
const TASK = 0, NUMBER = 1, OUTCOME = 2, QUEUED = 3, PULLING = 4, RUNNING = 5, ENDED = 6, PULLED = 7, EXIT = 8, REASON = 9, ID = 10;
const $ = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
let data, tasks, byName, shown = [], sort = { by: "start", down: false }, active = 0, printing = false;

const make = (name, attributes = {}, ...children) => {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
};
const draw = (name, attributes = {}) => {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
};
const seconds = (milliseconds) => {
  if (milliseconds == null) return "–";
  const s = milliseconds / 1000;
  if (s < 100) return `${s.toFixed(1)} s`;
  if (s < 6000) return `${Math.floor(s / 60)} min ${String(Math.floor(s % 60)).padStart(2, "0")} s`;
  return `${Math.floor(s / 3600)} h ${String(Math.floor(s / 60) % 60).padStart(2, "0")} min`;
};
const clock = (milliseconds) => new Date(milliseconds).toISOString().replace("T", " ").replace(/\.\d+Z/, " UTC");
const dollars = (amount, like = amount) => `$${amount.toFixed(like < 1 ? 4 : 2)}`;
const link = (url, text) => url ? make("a", { href: url, rel: "noreferrer" }, text) : text;
const toTask = (task, text = task.name) =>
  make("a", { href: `#task=${encodeURIComponent(task.name)}`, title: task.name }, text);
const pairs = (list, entries) => $(list).replaceChildren(
  ...entries.flatMap(([label, value]) => [make("dt", {}, label), make("dd", {}, value)]));
const reasonOf = (attempt) => attempt[REASON] == null ? "" : data.reasons[attempt[REASON]];

// What an error means and what to do: a part that opens, where the error has a page of the documentation.
const meaningOf = (code) => !data.meanings[code] ? [] : [make("details", {}, make("summary", {}, `What ${code} means, and what to do`),
  ...data.meanings[code].flatMap(([heading, text]) => [...(heading ? [make("strong", {}, heading)] : []), make("p", { class: "meaning" }, text)]))];

// The phases of an attempt: number, begin and end; one that is active lasts until now.
const spans = (attempt) => {
  const known = [QUEUED, PULLING, RUNNING].filter((column) => attempt[column] != null);
  const end = attempt[ENDED] ?? data.until;
  return known.map((column, n) => [column - QUEUED, attempt[column], n + 1 < known.length ? attempt[known[n + 1]] : end]);
};
const ran = (attempt) => attempt[RUNNING] == null ? null : (attempt[ENDED] ?? data.until) - attempt[RUNNING];
const queued = (attempt) => attempt[QUEUED] == null ? null
  : (attempt[PULLING] ?? attempt[RUNNING] ?? attempt[ENDED] ?? data.until) - attempt[QUEUED];

function read(text) {
  data = JSON.parse(text);
  let first = 0;
  tasks = data.tasks.map((name, index) => {
    const attempts = data.attempts.slice(first, first + data.attemptsOfTask[index]);
    const task = { name, index, first, attempts, outcome: data.taskOutcomes[index] };
    first += attempts.length;
    const deciding = attempts.find((each) => each[OUTCOME] === COMPLETED) ?? attempts.at(-1);
    task.deciding = deciding;
    task.ran = deciding ? ran(deciding) : null;
    task.queued = attempts.length ? queued(attempts[0]) : null;
    task.start = attempts.length ? spans(attempts[0])[0]?.[1] ?? attempts[0][ENDED] : null;
    task.text = `${name}\n${attempts.map(reasonOf).join("\n")}`.toLowerCase();
    return task;
  });
  byName = new Map(tasks.map((task) => [task.name, task]));
}

function summarize() {
  const { run, counts } = data;
  const outcome = { Completed: 3, CompletedWithFailures: 5, Running: 2, NotRegistered: 0 }[run.status] ?? 4;
  $("status").textContent = run.status;
  $("status").className = `badge i${outcome}`;
  $("title").textContent = `${run.workflow}, run ${run.id}`;
  $("subtitle").textContent = `Pattern ${run.pattern}. Started ${clock(data.began)}, `
    + (run.isActive ? `active for ${seconds(data.until)}.` : `took ${seconds(data.until)}.`);
  for (const id of ["error", "waiting"]) {
    $(id).hidden = !run[id];
    $(id).textContent = run[id] ? (id === "waiting" ? `The run is ${run[id]}` : run[id]) : "";
  }
  $("error-meaning").replaceChildren(...(run.error && run.errorCode !== "TasksFailed" ? meaningOf(run.errorCode) : []));
  const lasted = tasks.filter((task) => task.outcome === COMPLETED && task.ran != null).map((task) => task.ran).sort((a, b) => a - b);
  const at = (share) => lasted.length ? seconds(lasted[Math.min(lasted.length - 1, Math.floor(share * lasted.length))]) : "–";
  const numbers = [
    ["tasks", counts.total], ["completed", counts.completed], ["failed", counts.failed],
    ...(run.isActive ? [["running", counts.running], ["not submitted", counts.total - counts.submitted]] : []),
    ["attempts", data.attempts.length], ["peak running", data.concurrency.mostRunning],
    ["median run", at(0.5)], ["95th percentile", at(0.95)],
    ...(data.cost ? [["cost", dollars(data.cost.dollars)]] : []),
  ];
  $("numbers").replaceChildren(...numbers.map(([label, value]) => make("div", {}, make("dt", {}, label), make("dd", {}, typeof value === "number" ? value.toLocaleString("en") : value))));
  $("verdict").hidden = !data.verdict;
  if (data.verdict) {
    $("passed").textContent = data.verdict.passed ? "Every task, row and result is as expected." : "Not everything is as expected:";
    $("problems").replaceChildren(...data.verdict.problems.slice(0, MOST_FAILED).map((text) => make("li", {}, text)));
  }
  pairs("asked", data.asked);
  pairs("resources", data.resources.map(([kind, name, url]) => [kind, link(url, name)]));
  $("costs").hidden = !data.cost;
  if (data.cost) {
    const more = data.cost.dollars - data.cost.estimate;
    pairs("cost", [
      ["this run", dollars(data.cost.dollars)],
      ["estimate", `${dollars(data.cost.estimate, data.cost.dollars)}: one attempt a task, as long as the completed ones on average`],
      ["difference", `${more < 0 ? "−" : "+"}${dollars(Math.abs(more), data.cost.dollars)}`],
      ["billed", `${seconds(data.cost.billedSeconds * 1000)} of ECS tasks, each at least a minute`],
    ]);
    $("prices").textContent = `${data.isOnAws ? "" : "What it would cost on AWS. "}On-demand Fargate alone. ${data.cost.prices}.`;
  }
}

function listFailures() {
  const failed = tasks.filter((task) => task.outcome === FAILED);
  $("failures").hidden = !failed.length;
  $("codes").replaceChildren(...data.failures.map(([code, number]) => {
    const button = make("button", { type: "button" }, `${code} × ${number}`);
    button.addEventListener("click", () => { $("search").value = code; $("outcome").value = String(FAILED); filter(); $("tasks").scrollIntoView(); });
    return make("li", {}, button);
  }));
  $("meanings").replaceChildren(...data.failures.flatMap(([code]) => meaningOf(code)));
  $("failed").replaceChildren(...failed.slice(0, MOST_FAILED).map((task) => {
    const item = make("li", {}, toTask(task), ` attempt ${task.deciding[NUMBER]}: ${reasonOf(task.deciding) || "no reason"}`);
    const log = data.logs[task.first + task.attempts.indexOf(task.deciding)];
    if (log) item.append(make("details", {}, make("summary", {}, `last ${log.length} lines of its log`), make("pre", { tabindex: "0" }, log.join("\n"))));
    return item;
  }));
  $("more-failed").hidden = failed.length <= MOST_FAILED;
  $("more-failed").textContent = `and ${failed.length - MOST_FAILED} more, in the list of tasks`;
  const slow = tasks.filter((task) => task.ran != null).sort((a, b) => b.ran - a.ran).slice(0, MOST_SLOW);
  $("slow").hidden = !slow.length;
  $("slowest").replaceChildren(...slow.map((task) => {
    const bar = draw("svg", { "aria-hidden": "true" });
    bar.append(draw("rect", { width: `${Math.max(0.5, 100 * task.ran / (slow[0].ran || 1))}%`, height: "100%", rx: 3, class: `o${task.outcome}` }));
    return make("li", {}, toTask(task), bar, make("span", {}, seconds(task.ran)));
  }));
}

function drawChart() {
  const { times, queued: q, pulling: p, running: r, most: together, mostRunning } = data.concurrency;
  const width = 600, height = 170, span = data.until || 1;
  const most = Math.max(1, together);
  const x = (time) => width * time / span, y = (value) => height - (height - 8) * value / most;
  const chart = $("chart");
  chart.setAttribute("viewBox", `0 0 ${width} ${height + 20}`);
  chart.setAttribute("preserveAspectRatio", "none");
  const parts = [];
  let below = times.map(() => 0);
  for (const [number, values] of [[2, r], [1, p], [0, q]]) {
    const above = below.map((value, n) => value + values[n]);
    const edge = (levels) => levels.map((value, n) => [times[n], n + 1 < times.length ? times[n + 1] : span, value]);
    const top = edge(above).flatMap(([from, to, value]) => [`${x(from)},${y(value)}`, `${x(to)},${y(value)}`]);
    const bottom = edge(below).flatMap(([from, to, value]) => [`${x(from)},${y(value)}`, `${x(to)},${y(value)}`]).reverse();
    if (times.length) parts.push(draw("polygon", { points: [...top, ...bottom].join(" "), class: `p${number}` }));
    below = above;
  }
  parts.push(draw("line", { x1: 0, x2: width, y1: height, y2: height }));
  chart.replaceChildren(...parts);
  $("chart-text").textContent = `At most ${together.toLocaleString("en")} at the same time, and at most ${mostRunning.toLocaleString("en")} running.`;
}

function timeline(task) {
  const line = draw("svg", { "aria-hidden": "true" }), span = data.until || 1;
  line.append(draw("rect", { width: "100%", height: "100%", class: "back" }));
  const lane = 24 / Math.max(1, task.attempts.length);
  task.attempts.forEach((attempt, number) => {
    const bar = (from, to, style) => line.append(draw("rect", {
      x: `${Math.min(99.6, 100 * from / span).toFixed(3)}%`, width: `${Math.max(0.4, 100 * (to - from) / span).toFixed(3)}%`,
      y: lane * number + Math.min(4, lane / 6), height: Math.max(1.5, lane - Math.min(8, lane / 3)), class: style }));
    const phases = spans(attempt);
    for (const [phase, from, to] of phases) bar(from, to, phase === 2 ? `o${attempt[OUTCOME]}` : `p${phase}`);
    if (attempt[OUTCOME] === FAILED && attempt[RUNNING] == null) bar(attempt[ENDED], attempt[ENDED], "o4");
  });
  return line;
}

function row(number) {
  const task = shown[number];
  const name = toTask(task);
  name.tabIndex = number === active ? 0 : -1;
  return make("tr", { "data-row": number, "aria-rowindex": number + 2 },
    make("td", {}, name),
    make("td", { class: `i${task.outcome}` }, `${["○", "○", "◐", "✓", "✗"][task.outcome]} ${data.outcomes[task.outcome]}`),
    make("td", { class: "wide number" }, String(task.attempts.length || "–")),
    make("td", { class: "wide number" }, seconds(task.queued)),
    make("td", { class: "number" }, seconds(task.ran)),
    make("td", { class: "line" }, timeline(task)));
}

// Only the rows in sight, and a few more, are in the document.
function renderRows() {
  const top = $("rows").getBoundingClientRect().top, count = printing ? Math.min(MOST_PRINTED, shown.length) : shown.length;
  let first = Math.max(0, Math.floor(-top / ROW) - SPARE), last = Math.min(count, Math.ceil((innerHeight - top) / ROW) + SPARE);
  if (printing) { first = 0; last = count; }
  if (first >= last) { first = Math.max(0, Math.min(first, count - 1)); last = Math.min(count, first + 2 * SPARE); }
  const space = (rows) => {
    const cell = make("td", { colspan: 6 });
    cell.style.height = `${rows * ROW}px`;
    return make("tr", { class: "space", "aria-hidden": "true" }, cell);
  };
  const focused = document.activeElement?.closest?.("[data-row]") ? active : null;
  const rows = [];
  for (let number = first; number < last; number += 1) rows.push(row(number));
  if (first > 0) rows.unshift(space(first));
  if (last < count) rows.push(space(count - last));
  $("rows").replaceChildren(...rows);
  if (focused != null) $("rows").querySelector(`[data-row="${focused}"] a`)?.focus({ preventScroll: true });
}

function filter() {
  const words = $("search").value.toLowerCase(), outcome = $("outcome").value;
  const value = { name: (task) => task.name, outcome: (task) => -task.outcome, attempts: (task) => task.attempts.length,
    queued: (task) => task.queued, ran: (task) => task.ran, start: (task) => task.start }[sort.by];
  const compare = (a, b) => {
    const [one, other] = [value(a), value(b)];
    if (one === other) return a.index - b.index;
    if (one == null || other == null) return one == null ? 1 : -1;
    return (one < other ? -1 : 1) * (sort.down ? -1 : 1);
  };
  shown = tasks.filter((task) => (outcome === "" || task.outcome === Number(outcome)) && task.text.includes(words)).sort(compare);
  active = Math.max(0, Math.min(active, shown.length - 1));
  $("shown").textContent = `${shown.length} of ${tasks.length} tasks`;
  $("table").setAttribute("aria-rowcount", shown.length + 1);
  $("printed").textContent = shown.length > MOST_PRINTED ? `The first ${MOST_PRINTED} of ${shown.length} tasks are printed.` : "";
  renderRows();
}

function named(hash) {
  try { return decodeURIComponent(/^#task=(.*)$/.exec(hash)?.[1] ?? ""); } catch { return ""; }
}

function openTask() {
  const task = byName.get(named(location.hash));
  if (!task) { if ($("task").open) $("task").close(); return; }
  $("task-title").textContent = `${task.name}: ${data.outcomes[task.outcome]}`;
  $("attempts").replaceChildren(...(task.attempts.length ? task.attempts : [null]).flatMap((attempt, number) => {
    if (!attempt) return [make("p", {}, "It has not been submitted.")];
    const began = spans(attempt)[0]?.[1];
    const entries = [
      ["began", began == null ? null : clock(data.began + began)],
      ["queued", attempt[QUEUED] == null ? null : seconds(queued(attempt))],
      ["pulled its image in", attempt[PULLING] == null || attempt[PULLED] == null ? null : seconds(attempt[PULLED] - attempt[PULLING])],
      ["ran", attempt[RUNNING] == null ? null : seconds(ran(attempt))],
      ["ended", attempt[ENDED] == null ? null : clock(data.began + attempt[ENDED])],
      ["exit code", attempt[EXIT]], ["reason", reasonOf(attempt) || null],
      ["ECS task", attempt[ID] ? link(data.links.ecsTask.replace("{}", attempt[ID]), attempt[ID]) : null],
      ["log", attempt[ID] && data.links.log ? link(data.links.log.replace("{}", attempt[ID]), "in CloudWatch Logs") : null],
    ].filter(([, value]) => value != null && value !== "");
    const list = make("dl", {}, ...entries.flatMap(([label, value]) => [make("dt", {}, label), make("dd", {}, value instanceof Node ? value : String(value))]));
    const log = data.logs[task.first + number];
    return [make("h3", {}, `Attempt ${attempt[NUMBER]}: ${data.outcomes[attempt[OUTCOME]]}`), list,
      ...(log ? [make("pre", { tabindex: "0" }, log.join("\n"))] : [])];
  }));
  const at = shown.indexOf(task);
  if (at >= 0) active = at;
  if ($("task").open) return;
  if (at >= 0 && !document.activeElement?.closest("a")) moveTo(at);
  $("task").showModal();
}

function moveTo(number) {
  active = Math.max(0, Math.min(shown.length - 1, number));
  const top = $("rows").getBoundingClientRect().top + active * ROW, head = 50;
  if (top < head) scrollBy(0, top - head);
  else if (top + ROW > innerHeight) scrollBy(0, top + ROW - innerHeight + 8);
  renderRows();
  $("rows").querySelector(`[data-row="${active}"] a`)?.focus({ preventScroll: true });
}

function render() {
  summarize();
  listFailures();
  drawChart();
  for (const id of ["axis", "chart-axis"]) {
    $(id).replaceChildren(...[0, 0.25, 0.5, 0.75, 1].map((share) => make("span", share % 1 ? { class: "wide" } : {}, seconds(share * data.until))));
  }
  const chosen = $("outcome").value;
  const counted = data.outcomes.map((_, number) => tasks.filter((task) => task.outcome === number).length);
  $("outcome").replaceChildren(make("option", { value: "" }, "all"),
    ...counted.flatMap((count, number) => count ? [make("option", { value: number }, `${data.outcomes[number]} (${count})`)] : []));
  $("outcome").value = counted[Number(chosen)] && chosen !== "" ? chosen : "";
  filter();
}

// While the run is active and something serves newer data, the page shows it.
async function follow(source) {
  while (data.run.isActive) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MILLISECONDS));
    try {
      const answer = await fetch(source, { cache: "no-store" });
      if (!answer.ok) throw new Error(answer.statusText);
      read(await answer.text());
    } catch {
      $("live").textContent = `Nothing serves newer data any more: this is how the run stood at ${clock(data.readAt)}.`;
      return;
    }
    render();
    document.title = document.title.replace(/^[^:]*/, data.run.status);
    $("live").textContent = data.run.isActive ? `Updated ${clock(data.readAt)}` : "The run has ended: this page is complete and is not updated any more.";
  }
}

read($("data").textContent);
// A short list comes first; a long one comes last, so that everything else can be reached.
if (tasks.length <= FEW) document.querySelector(".columns").before($("tasks"));
render();
openTask();
addEventListener("hashchange", openTask);
let due = false;
const later = () => { if (!due) { due = true; requestAnimationFrame(() => { due = false; renderRows(); }); } };
addEventListener("scroll", later, { passive: true });
addEventListener("resize", later);
addEventListener("beforeprint", () => { printing = true; renderRows(); });
addEventListener("afterprint", () => { printing = false; renderRows(); });
$("task").addEventListener("close", () => {
  if (location.hash.startsWith("#task=")) history.replaceState(null, "", location.pathname + location.search);
  renderRows();
});
$("search").addEventListener("input", filter);
$("outcome").addEventListener("change", filter);
$("filter").addEventListener("submit", (event) => event.preventDefault());
for (const button of document.querySelectorAll("[data-sort]")) {
  button.addEventListener("click", () => {
    sort = { by: button.dataset.sort, down: sort.by === button.dataset.sort ? !sort.down : ["attempts", "queued", "ran"].includes(button.dataset.sort) };
    for (const each of document.querySelectorAll("[data-sort]")) each.closest("th").setAttribute("aria-sort", each === button ? (sort.down ? "descending" : "ascending") : "none");
    filter();
  });
}
$("rows").addEventListener("keydown", (event) => {
  const to = { ArrowDown: active + 1, ArrowUp: active - 1, PageDown: active + 10, PageUp: active - 10, Home: 0, End: shown.length - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  moveTo(to);
});
const source = document.querySelector("meta[name=newer-data]").content;
if (source && data.run.isActive) {
  $("live").hidden = false;
  $("live").textContent = `Updated ${clock(data.readAt)}`;
  follow(source);
}
// For measurements: milliseconds from the navigation until the first rows were painted.
requestAnimationFrame(() => requestAnimationFrame(() => { document.documentElement.dataset.openedMilliseconds = String(Math.round(performance.now())); }));
})();
