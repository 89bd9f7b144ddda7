"use strict";
// Sorting, filters and the list of examples. Texts come in through textContent only; without this the page reads the same.
(() => {
  const PAGE = 50;
  const data = JSON.parse(document.getElementById("olivepress-data").textContent);
  const machines = [...new Set([...data.rows.map((row) => row.machine), ...data.decisions.map((d) => d.machine)])];
  const slugs = new Map(machines.map((machine, number) => [machine, "m" + number]));
  const rowMachine = new Map(data.rows.map((row) => [row.name, slugs.get(row.machine)]));
  const off = new Set();
  const byId = (id) => document.getElementById(id);

  // What Python's str.isprintable refuses: it could turn the text round or hide in it.
  const clean = (text) => String(text).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, "\ufffd");
  const cleanLines = (text) => String(text).replace(/\r\n/g, "\n").replace(/\t/g, "    ").split("\n").map(clean).join("\n");
  const make = (tag, name, text) => {
    const element = document.createElement(tag);
    if (name) element.className = name;
    if (text !== undefined) element.textContent = text;
    return element;
  };

  for (const element of document.querySelectorAll(".js-only")) element.hidden = false;

  // Sorting: numbers from data-value, with what was not measured always last.
  const key = (row, column, numeric) => {
    const cell = row.cells[column];
    if (!numeric) return cell.textContent.trim().toLowerCase();
    return cell.dataset.value ? Number(cell.dataset.value) : null;
  };
  const sortBy = (table, head, column) => {
    const numeric = head.dataset.sort === "number";
    const down = head.hasAttribute("aria-sort") ? head.getAttribute("aria-sort") !== "descending" : numeric;
    for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const body = table.tBodies[0];
    const keyed = [...body.rows].map((row) => [key(row, column, numeric), row]);
    keyed.sort(([a], [b]) => {
      if (a === null || b === null) return (a === null) - (b === null);
      const order = numeric ? a - b : a < b ? -1 : a > b ? 1 : 0;
      return down ? -order : order;
    });
    body.append(...keyed.map(([, row]) => row));
  };
  for (const table of document.querySelectorAll("table[data-sortable]")) {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = make("button", "", head.textContent.trim());
      button.type = "button";
      button.addEventListener("click", () => sortBy(table, head, column));
      head.replaceChildren(button);
    });
  }

  // A row is seen when its machine is on, its text matches and its call is the one asked for.
  const filter = byId("filter");
  const call = byId("call");
  const isOff = (element) => element.dataset.machine.split(" ").some((slug) => off.has(slug));
  const apply = () => {
    for (const element of document.querySelectorAll("[data-machine]")) element.hidden = isOff(element);
    for (const element of document.querySelectorAll("[data-machines-all]")) {
      element.hidden = element.dataset.machinesAll.trim().split(" ").every((slug) => off.has(slug));
    }
    const words = filter.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const rows = [...document.querySelectorAll("#matrix tbody tr")];
    for (const row of rows) {
      const text = row.cells[0].textContent.toLowerCase();
      if (!words.every((word) => text.includes(word))) row.hidden = true;
    }
    const seen = rows.filter((row) => !row.hidden).length;
    byId("filtered").textContent = seen === rows.length ? "" : `${seen} of ${rows.length} rows`;
    if (!call) return;
    const verdicts = [...document.querySelectorAll("#verdict-table tbody tr")];
    for (const row of verdicts) if (call.value && row.dataset.call !== call.value) row.hidden = true;
    byId("calls").textContent = `${verdicts.filter((row) => !row.hidden).length} of ${verdicts.length}`;
  };
  byId("tools").addEventListener("submit", (event) => event.preventDefault());
  filter.addEventListener("input", apply);
  if (call) call.addEventListener("change", apply);
  for (const box of document.querySelectorAll("[data-toggle]")) {
    box.checked = true; // a reload keeps what was ticked, and the page starts whole
    box.addEventListener("change", () => {
      if (box.checked) off.delete(box.dataset.toggle);
      else off.add(box.dataset.toggle);
      apply();
    });
  }
  apply();

  // What is folded opens for a link into it, and on paper.
  const unfold = () => {
    const target = location.hash && byId(location.hash.slice(1));
    for (const fold of target ? [target.querySelector(":scope > details"), target.closest("details")] : []) if (fold) fold.open = true;
    if (target) target.scrollIntoView();
  };
  addEventListener("hashchange", unfold);
  unfold();
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open]):not(.example)")];
    for (const fold of folded) fold.open = true;
  });
  addEventListener("afterprint", () => {
    for (const fold of folded) fold.open = false;
  });

  // Examples: the list grows by pages, and an example's answers are made when it is opened.
  const list = byId("example-list");
  if (!list) return;
  const [search, kind, pair, more, count] = ["search", "kind", "pair", "more", "count"].map((part) => byId("example-" + part));
  const answered = new Set(data.examples.flatMap((example) => example.answers.map((answer) => answer.row)));
  const pairs = new Map();
  for (const verdict of data.verdicts) {
    if (answered.has(verdict.a) && answered.has(verdict.b)) pairs.set(JSON.stringify([verdict.a, verdict.b]), [verdict.a, verdict.b]);
  }
  const there = data.rows.map((row) => row.name).filter((name) => answered.has(name));
  if (!pairs.size && there.length > 1) pairs.set("ends", [there[0], there[there.length - 1]]);
  const listed = [...pairs.values()];
  const any = make("option", "", listed.length > 1 ? "any pair compared" : "");
  any.value = "";
  if (listed.length > 1) pair.append(any);
  listed.forEach(([a, b], number) => {
    const option = make("option", "", `${clean(a)} → ${clean(b)}`);
    option.value = String(number);
    pair.append(option);
  });

  const texts = data.examples.map((example) =>
    [example.id, example.expected, example.label ?? "", ...example.answers.map((answer) => answer.output)].join("\n").toLowerCase());
  const outcome = (example, name) => example.answers.find((answer) => answer.row === name)?.correct;
  const changed = (example, from, to) => {
    const asked = pair.value === "" ? listed : [listed[Number(pair.value)]];
    return asked.some(([a, b]) => outcome(example, a) === from && outcome(example, b) === to);
  };
  const KINDS = {
    all: () => true,
    differ: (example) => new Set(example.answers.map((answer) => answer.output)).size > 1,
    lost: (example) => changed(example, true, false),
    gained: (example) => changed(example, false, true),
  };

  const line = (name, term, strong, text) => {
    const box = make("div", name);
    const dt = make("dt", "", term + " ");
    if (strong) dt.append(make("b", "", strong));
    const dd = make("dd");
    dd.append(make("pre", "", cleanLines(text)));
    box.append(dt, dd);
    return box;
  };
  const fill = (details, example) => {
    const answers = make("dl");
    const expected = line("expected", "expected", "", example.expected);
    if (example.label) expected.firstChild.append(make("small", "", clean(example.label)));
    answers.append(expected);
    for (const answer of example.answers) {
      const box = line(answer.correct ? "right" : "wrong", clean(answer.row), answer.correct ? "✓ right" : "✗ wrong", answer.output);
      if (rowMachine.has(answer.row)) {
        box.dataset.machine = rowMachine.get(answer.row);
        box.hidden = isOff(box);
      }
      answers.append(box);
    }
    details.append(answers);
  };
  const item = (example) => {
    const details = make("details", "example");
    const summary = make("summary");
    const right = example.answers.filter((answer) => answer.correct).length;
    summary.append(make("span", "id", clean(example.id)), " ");
    summary.append(make("span", "score", `${right} of ${example.answers.length} right`), " ");
    summary.append(make("span", "gist", clean(example.expected)));
    details.append(summary);
    details.addEventListener("toggle", () => {
      if (details.open && details.children.length === 1) fill(details, example);
    });
    return details;
  };

  let found = [];
  let shown = 0;
  const grow = () => {
    list.append(...found.slice(shown, shown + PAGE).map((index) => item(data.examples[index])));
    shown = Math.min(shown + PAGE, found.length);
    more.hidden = shown >= found.length;
    more.textContent = `Show ${Math.min(PAGE, found.length - shown)} more`;
    const left = data.examples_left_out ? ` ${data.examples_left_out} more did not fit the page.` : "";
    count.textContent = `${found.length} of ${data.examples.length} examples, ${shown} shown.${left}`;
  };
  const select = () => {
    const wanted = search.value.trim().toLowerCase();
    const fits = KINDS[kind.value];
    pair.closest("label").hidden = !listed.length || !["lost", "gained"].includes(kind.value);
    found = [...data.examples.keys()].filter((index) => texts[index].includes(wanted) && fits(data.examples[index]));
    shown = 0;
    list.replaceChildren();
    grow();
  };
  search.addEventListener("input", select);
  for (const control of [kind, pair]) control.addEventListener("change", select);
  more.addEventListener("click", () => {
    const next = shown;
    grow();
    list.children[next]?.querySelector("summary").focus(); // the button may be gone
  });
  select();
})();
