"use strict";
// The server knows the rules and the models; here its answers are drawn, and questions are made of clicks.
const about = JSON.parse(document.getElementById("about").textContent);
const PASS = -2;
const first = about.begin ? 1 : 0; // the place of the first move in what the model reads
const $ = (id) => document.getElementById(id);
const name = (square) => square === PASS ? "pass" : about.names[square];
const percent = (p, digits = 1) => `${(100 * p).toFixed(digits)}\u00a0%`;
const capital = (word) => word[0].toUpperCase() + word.slice(1);
const colour = (weights) => `var(--c${about.weights.indexOf(weights) % 6})`;

let now = null; // the last answer
let shown = about.weights[0];
let queue = Promise.resolve();

function make(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

function draw_svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

// Questions

// One after the other: each is made when the one before it has been answered.
function ask(question, notice = "") {
  queue = queue.then(async () => {
    const asked = question();
    if (!asked) return;
    let answer;
    try {
      const headers = { "Content-Type": "application/json" };
      const response = await fetch("/position", { method: "POST", headers, body: JSON.stringify(asked) });
      answer = await response.json();
    } catch {
      answer = { error: "The server does not answer: start `lengthwise othello play` again." };
    }
    say("error", answer.error || "");
    if (answer.error) return;
    say("notice", typeof notice === "function" ? notice() : notice);
    now = answer;
    draw();
  });
  return queue;
}

function say(id, sentence) {
  $(id).textContent = sentence;
  $(id).hidden = !sentence;
}

const squares = (count) => now.moves.slice(0, count).map((move) => move.square);
const play = (square) => ask(() => ({ moves: [...squares(now.ply), square] }));
const jump = (ply) => ask(() => ({ moves: squares(), ply }));
const legal = () => now.pass ? [PASS] : now.legal;
const prediction = (weights) => now.prediction.weights[weights];
const probability = (square, weights) => prediction(weights).probabilities[about.tokens.indexOf(square)];

function best_legal() {
  return legal().reduce((x, y) => probability(y, shown) > probability(x, shown) ? y : x);
}

// The board

const board = $("board");
const cells = about.names.map((label, square) => {
  const cell = make("button", { type: "button", tabIndex: square ? -1 : 0 });
  cell.dataset.square = label;
  cell.addEventListener("click", () => play(square));
  cell.addEventListener("focus", () => cells.forEach((other) => { other.tabIndex = other === cell ? 0 : -1; }));
  cell.addEventListener("keydown", (event) => {
    const row = Math.floor(square / about.size), column = square % about.size, last = about.size - 1;
    const to = { ArrowUp: [row - 1, column], ArrowDown: [row + 1, column], ArrowLeft: [row, column - 1],
      ArrowRight: [row, column + 1], Home: [row, 0], End: [row, last] }[event.key];
    if (!to) return;
    event.preventDefault();
    if (to.every((x) => x >= 0 && x <= last)) cells[to[0] * about.size + to[1]].focus();
  });
  return cell;
});
board.style.gridTemplateColumns = `1.3em repeat(${about.size}, minmax(0, 1fr))`;
function edge(text) {
  const node = make("span", { textContent: text });
  node.setAttribute("aria-hidden", "true");
  return node;
}
board.append(edge(""), ...about.names.slice(0, about.size).map((label) => edge(label[0])));
cells.forEach((cell, square) => {
  if (square % about.size === 0) board.append(edge(about.names[square].slice(1)));
  board.append(cell);
});

function draw_board(attention) {
  const most = now.prediction ? Math.max(...prediction(shown).probabilities) : 1;
  const by_square = new Map(now.moves.slice(0, now.ply).map((move, i) => [move.square, attention?.[i + first]]));
  const strongest = Math.max(...(attention || []), 1e-9);
  const last = now.ply ? now.moves[now.ply - 1].square : null;
  cells.forEach((cell, square) => {
    const player = { 1: "black", "-1": "white", 0: null }[now.board[square]];
    const may = now.legal.includes(square);
    const token = about.tokens.includes(square);
    const p = now.prediction && token ? probability(square, shown) : null;
    const top = p !== null && prediction(shown).top1 === square;
    const a = by_square.get(square);
    cell.className = ["square", may && "may", top && "first", top && !may && "wrong", square === last && "last"].filter(Boolean).join(" ");
    const parts = [];
    if (p !== null) {
      const shade = make("span", { className: "shade" });
      shade.style.opacity = 0.75 * p / most;
      parts.push(shade);
    }
    if (player) {
      const disc = make("span", { className: `disc ${player}` });
      if (a >= 0.005) disc.textContent = Math.round(100 * a);
      parts.push(disc);
      if (a !== undefined) {
        const ring = make("span", { className: "ring" });
        ring.style.borderWidth = `${15 * a / strongest}cqw`;
        parts.push(ring);
      }
    }
    if (may) parts.push(make("span", { className: p === null ? "mark" : "mark low" }));
    if (p !== null && (may || p >= 0.005)) {
      const text = p >= 0.005 ? `${Math.round(100 * p)}%` : "<1%";
      parts.push(make("span", { className: player ? "label corner" : "label", textContent: text }));
    }
    cell.replaceChildren(...parts);
    const words = [about.names[square], player ? `${player} disc` : "empty", may ? "legal" : "illegal"];
    if (p !== null) words.push(`${shown} ${percent(p)}`);
    if (may && now.prediction) words.push(`exact ${percent(1 / now.legal.length)}`);
    if (a !== undefined) words.push(`attention ${percent(a)}`);
    cell.setAttribute("aria-label", words.join(", "));
    cell.title = token ? words.slice(3).join(", ") : "";
  });
}

function draw_status() {
  const { black, white } = now.discs;
  $("black").textContent = black;
  $("white").textContent = white;
  const left = now.forfeited ? `${capital(now.forfeited)} has no legal move and forfeits the turn. ` : "";
  const count = now.legal.length;
  const each = count > 1 ? `, ${percent(1 / count)} each` : "";
  let text = now.over ? "" : `${left}${capital(now.mover)} to move: ${count} legal move${count === 1 ? "" : "s"}${each}.`;
  if (now.pass) text = `${capital(now.mover)} has no legal move: the next entry is a pass.`;
  if (now.over) {
    const end = black === white ? "a draw" : `${black > white ? "black" : "white"} wins`;
    text = `The game is over, ${end}: black ${black}, white ${white} discs.`;
  }
  $("status").textContent = text;
  $("undo").disabled = $("restart").disabled = now.ply === 0;
  $("random").disabled = now.over;
  $("choice").disabled = !now.prediction;
  if ($("pass")) $("pass").disabled = !now.pass;
}

// Tables

const cell = (tag, text, className = "") => make(tag, { textContent: text, className });
const NONE = "–";

function square_cell(square, is_legal) {
  const node = cell("th", name(square), "text");
  node.scope = "row";
  if (!is_legal) node.append(make("span", { className: "bad", textContent: " illegal" }));
  return node;
}

function draw_measures() {
  const { lengths, chance, weights } = now.history;
  const at = lengths.filter((s) => s <= now.ply).length - 1; // at the end of a game, the last one
  $("measured").hidden = at < 0;
  if (at < 0) return;
  const rows = about.weights.map((key) => {
    const head = make("th", { scope: "row", className: "text" }, make("span", { className: "swatch" }), key);
    head.firstChild.style.background = colour(key);
    const one = now.prediction && prediction(key), past = weights[key];
    const wrong = past.top1_illegal.slice(0, at + 1).filter(Boolean).length;
    const top = cell("td", one ? name(one.top1) : NONE);
    if (one?.top1_illegal) top.append(make("span", { className: "bad", textContent: " illegal" }));
    return make("tr", { className: key === shown ? "chosen" : "" }, head, top, cell("td", one ? percent(one.itr) : NONE),
      cell("td", one ? one.tv.toFixed(3) : NONE), cell("td", past.so_far[at].toFixed(2)), cell("td", `${wrong} of ${at + 1}`));
  });
  const guess = chance.slice(0, at + 1).reduce((x, y) => x + y, 0), here = now.prediction ? chance[at] : null;
  rows.push(make("tr", { className: "rest" }, cell("th", "uniform guess", "text"), cell("td", NONE),
    cell("td", here === null ? NONE : percent(here)), cell("td", here === null ? NONE : here.toFixed(3)),
    cell("td", guess.toFixed(2)), cell("td", NONE)));
  rows.at(-1).firstChild.scope = "row";
  $("measures").tBodies[0].replaceChildren(...rows);
}

function draw_probabilities() {
  $("predicted").hidden = !now.prediction;
  say("silent", now.no_prediction || "");
  if (!now.prediction) return;
  const mark = (key) => key === shown ? "chosen" : "";
  const head = [cell("th", "square", "text"), cell("th", "exact"), ...about.weights.map((key) => cell("th", key, mark(key)))];
  head.forEach((node) => { node.scope = "col"; });
  $("probabilities").tHead.replaceChildren(make("tr", {}, ...head));
  const order = about.tokens.map((square, token) => ({ square, token, is_legal: legal().includes(square) }));
  order.sort((x, y) => prediction(shown).probabilities[y.token] - prediction(shown).probabilities[x.token]);
  const kept = order.filter((one, i) => i < 8 || one.is_legal), others = order.filter((one) => !kept.includes(one));
  const values = (one) => [cell("td", percent(now.prediction.exact[one.token])),
    ...about.weights.map((key) => cell("td", percent(prediction(key).probabilities[one.token]), mark(key)))];
  const body = kept.map((one) => make("tr", {}, square_cell(one.square, one.is_legal), ...values(one)));
  if (others.length) {
    const sum = (key) => others.reduce((total, one) => total + prediction(key).probabilities[one.token], 0);
    body.push(make("tr", { className: "rest" }, cell("th", `${others.length} others, illegal`, "text"), cell("td", percent(0)),
      ...about.weights.map((key) => cell("td", percent(sum(key)), mark(key)))));
  }
  $("probabilities").tBodies[0].replaceChildren(...body);
}

// Attention and moves

const mean = (arrays) => arrays[0].map((_, i) => arrays.reduce((sum, x) => sum + x[i], 0) / arrays.length);

function attention_shown() {
  const layers = now.prediction && prediction(shown).attention;
  $("attention").hidden = !layers;
  if (!layers) return null;
  for (const [id, count] of [["layer", layers.length], ["head", layers[0].length]])
    if ($(id).options.length === 0) {
      if (count > 1) $(id).append(new Option("all, averaged", ""));
      for (let i = 0; i < count; i++) $(id).append(new Option(i + 1));
    }
  const chosen = (id, list) => $(id).value === "" ? list : [list[$(id).value - 1]];
  return mean(chosen("layer", layers).map((heads) => mean(chosen("head", heads))));
}

function draw_moves(attention) {
  const strongest = Math.max(...(attention || []), 1e-9);
  const entry = (number, text, player, ply, share) => {
    const button = make("button", { type: "button", className: ply > now.ply ? "later" : "" },
      make("span", { className: "number", textContent: number }));
    if (player) button.append(make("span", { className: `disc ${player}` }));
    button.append(make("span", { className: "name", textContent: text }));
    if (share !== undefined) {
      const bar = make("span", { className: "bar" });
      bar.style.width = `${100 * share / strongest}%`;
      button.append(make("span", { className: "share", textContent: percent(share, 0) }), bar);
    }
    if (ply === now.ply) button.setAttribute("aria-current", "step");
    const said = share === undefined ? "" : `, attention ${percent(share)}`;
    button.setAttribute("aria-label", `${player ? `move ${number}, ${player}, ` : ""}${text}${said}`);
    button.addEventListener("click", () => jump(ply));
    return make("li", {}, button);
  };
  const note = (player) => make("li", { className: "note", textContent: `${capital(player)} has no legal move here and forfeits the turn.` });
  const items = [entry("", about.begin ? "begin" : "start", null, 0, about.begin ? attention?.[0] : undefined)];
  now.moves.forEach((move, i) => {
    if (move.forfeited) items.push(note(move.forfeited));
    items.push(entry(i + 1, move.name, move.player, i + 1, i < now.ply ? attention?.[i + first] : undefined));
  });
  if (now.forfeited && now.ply === now.moves.length) items.push(note(now.forfeited));
  $("moves").replaceChildren(...items);
  $("text").value = now.text;
  history.replaceState(null, "", now.text ? `#${now.text.replaceAll(" ", "")}` : location.pathname);
}

// The chart

function draw_chart() {
  const { lengths, weights } = now.history;
  const kind = document.querySelector("input[name=sum]:checked").value;
  const [low, high] = about.lengths;
  const top = lengths.length ? Math.max(0.02, ...about.weights.flatMap((key) => weights[key][kind])) : 1;
  const unit = 10 ** Math.floor(Math.log10(top));
  const step = [0.2, 0.5, 1, 2, 5].map((x) => x * unit).find((x) => top / x <= 5);
  const most = Math.ceil(top / step - 1e-9) * step;
  const [width, height, left, bottom] = [Math.min(640, $("plot").clientWidth || 640), 210, 46, 34];
  const x = (s) => left + (s - low + 0.5) / (high - low + 1) * (width - left - 8);
  const y = (value) => 8 + (1 - value / most) * (height - bottom - 8);
  const said = about.weights.map((key) => `${key} ${weights[key] ? weights[key][kind].map((v) => v.toFixed(2)).join(" ") : ""}`);
  const svg = draw_svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img",
    "aria-label": `Illegal mass from move ${low} on: ${said.join("; ")}` });
  const paint = (node, property, value) => { node.style[property] = value; return node; };
  const line = (x1, y1, x2, y2, stroke) => paint(draw_svg("line", { x1, y1, x2, y2 }), "stroke", stroke);
  const text = (at, down, words, anchor) => draw_svg("text", { x: at, y: down, "text-anchor": anchor }, words);
  svg.append(paint(draw_svg("rect", { class: "seen", x: x(low - 0.5), y: 8, width: x(about.seen + 0.5) - x(low - 0.5), height: height - bottom - 8 }), "fill", "var(--soft)"));
  for (let i = 0; i * step <= most * 1.001; i++) {
    const value = i * step;
    svg.append(line(left, y(value), width - 8, y(value), "var(--line)"));
    svg.append(text(left - 6, y(value) + 4, kind === "itr" ? `${Number((100 * value).toFixed(1))} %` : String(Number(value.toFixed(2))), "end"));
  }
  const every = [1, 2, 5, 10, 20].find((n) => (high - low) / n <= width / 60);
  for (let s = Math.ceil(low / every) * every; s <= high; s += every) svg.append(text(x(s), height - bottom + 16, String(s), "middle"));
  svg.append(text((left + width) / 2, height - 4, "moves read", "middle"));
  if (now.ply >= low && now.ply <= high) svg.append(paint(line(x(now.ply), 8, x(now.ply), height - bottom, "var(--muted)"), "strokeDasharray", "3 3"));
  for (const key of about.weights) {
    const values = weights[key]?.[kind] || [];
    const points = lengths.map((s, i) => [x(s), y(values[i])]);
    const path = draw_svg("polyline", { points: points.map((point) => point.join()).join(" "), fill: "none", "stroke-width": key === shown ? 2.6 : 1.5 });
    svg.append(paint(path, "stroke", colour(key)));
    points.forEach(([px, py], i) => {
      const wrong = weights[key].top1_illegal[i];
      const mark = wrong ? draw_svg("path", { d: `M${px - 4} ${py - 4}l8 8m0 -8l-8 8`, "stroke-width": 2, class: "wrong" })
        : draw_svg("circle", { cx: px, cy: py, r: 2 });
      const value = kind === "itr" ? percent(values[i]) : values[i].toFixed(2);
      mark.append(draw_svg("title", {}, `${key}, move ${lengths[i]}: ${value}${wrong ? ", most probable square illegal" : ""}`));
      svg.append(paint(mark, wrong ? "stroke" : "fill", colour(key)));
    });
  }
  $("plot").replaceChildren(svg);
}

function draw() {
  const attention = attention_shown();
  draw_status();
  draw_board(attention);
  draw_measures();
  draw_probabilities();
  draw_moves(attention);
  draw_chart();
}

// Controls

for (const key of about.weights) {
  const input = make("input", { type: "radio", name: "shown", value: key, checked: key === shown });
  input.addEventListener("change", () => { shown = key; if (now) draw(); });
  $("shown").append(make("label", {}, input, key));
  const swatch = draw_svg("svg", { viewBox: "0 0 24 10", "aria-hidden": "true" }, draw_svg("path", { d: "M1 5H23", "stroke-width": 2.4 }));
  swatch.firstChild.style.stroke = colour(key);
  $("legend").append(make("li", {}, swatch, key));
}
for (const id of ["layer", "head", "sum"]) $(id).addEventListener("change", () => { if (now) draw(); });
$("undo").addEventListener("click", () => ask(() => now.ply && { moves: squares(now.ply - 1) }));
$("restart").addEventListener("click", () => ask(() => ({ moves: [] })));
$("random").addEventListener("click", () => ask(() => {
  if (now.over) return null;
  const may = legal();
  return { moves: [...squares(now.ply), may[Math.floor(Math.random() * may.length)]] };
}));
$("choice").addEventListener("click", () => {
  let notice = "";
  ask(() => {
    if (!now.prediction) return null;
    const square = best_legal();
    const { top1, top1_illegal } = prediction(shown);
    if (top1_illegal) notice = `The most probable square of ${shown}, ${name(top1)}, is illegal; its most probable legal one, ${name(square)}, was played.`;
    return { moves: [...squares(now.ply), square] };
  }, () => notice);
});
if ($("pass")) $("pass").addEventListener("click", () => play(PASS));
$("game").addEventListener("submit", (event) => {
  event.preventDefault();
  ask(() => ({ text: $("text").value }));
});

function load() {
  let text = location.hash.slice(1);
  try { text = decodeURIComponent(text); } catch { /* the server says what is wrong with it */ }
  ask(() => ({ text })).then(() => {
    if (now) return;
    const sentence = $("error").textContent; // of a game in the address that cannot be read
    ask(() => ({ moves: [] })).then(() => say("error", sentence));
  });
}
addEventListener("hashchange", load);
addEventListener("resize", () => { if (now) draw_chart(); });
load();
