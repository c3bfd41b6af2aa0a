/* The page's pieces, one file behind the other in this order (embed.S), together a module:
 *
 *   base.js        making and changing nodes, words for numbers and times, tables, histories
 *   health.js      the job's head and the judgement
 *   graph.js       the road of an event
 *   partitions.js  the table of partitions
 *   timeline.js    open windows against the watermark
 *   details.js     checkpoints, files, late and rejected, exceptions, settings
 *   actions.js     savepoint, stop, cancel; the token
 *   main.js        asks the server, and hands what it answers to the others
 *
 * What the server tells may hold anything that somebody put into Kafka. It becomes text nodes and
 * attributes' values only; nothing here parses HTML. */

/* ---- Nodes ------------------------------------------------------------------------------------- */

const byId = (id) => document.getElementById(id);

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function setAttributes(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) node.removeAttribute(name);
    else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
  }
}

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  setAttributes(node, attributes);
  node.append(...children);
  return node;
}

const SVG = 'http://www.w3.org/2000/svg';

function draw(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  setAttributes(node, attributes);
  node.append(...children);
  return node;
}

/* Draws into a box when what is drawn has changed: what is pointed at or read stays otherwise. */
function redraw(box, facts, picture) {
  const width = Math.floor(box.clientWidth);
  const wanted = JSON.stringify([width, facts]);
  if (width === 0 || box.drawn === wanted) return;
  box.drawn = wanted;
  box.replaceChildren(...(facts.length ? [picture(width)] : []));
}

/* ---- Words for numbers and times --------------------------------------------------------------- */

const THIN = '\u202f'; /* narrow, and no line breaks at it */
const NONE = '–';
const SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR;

const known = (n) => n !== null && n !== undefined;

function group(digits) {
  return digits.replace(/\B(?=(\d{3})+$)/g, THIN);
}

function count(n) {
  if (!known(n)) return NONE;
  return (n < 0 ? '−' : '') + group(String(Math.abs(Math.round(n))));
}

/* Three digits or so of a number that is no count. */
function decimal(n) {
  if (n >= 99.95 || n === 0) return count(n);
  return n.toFixed(n >= 9.995 ? 1 : 2);
}

function bytes(n) {
  if (!known(n)) return NONE;
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let unit = 0;
  while (n >= 1023.5 && unit < units.length - 1) {
    n /= 1024;
    unit++;
  }
  return (unit === 0 ? count(n) : decimal(n)) + THIN + units[unit];
}

function percent(share) {
  if (!known(share)) return NONE;
  const n = share * 100;
  return (n > 0 && n < 1 ? n.toFixed(2) : n < 10 ? n.toFixed(1) : String(Math.round(n))) + THIN + '%';
}

const wholePercent = (share) => `${Math.round(share * 100)}${THIN}%`;

/* A length of time. */
function span(ms) {
  if (!known(ms)) return NONE;
  const sign = ms < 0 ? '−' : '';
  ms = Math.abs(ms);
  const two = (n, unit, m, smaller) => `${sign}${n} ${unit}${m ? ` ${m} ${smaller}` : ''}`;
  if (ms < SECOND) return `${sign}${Math.round(ms)} ms`;
  if (ms < 10 * SECOND) return `${sign}${(ms / SECOND).toFixed(1)} s`;
  const s = Math.round(ms / SECOND);
  if (s < 60) return `${sign}${s} s`;
  if (s < 3600) return two(Math.floor(s / 60), 'min', s % 60, 's');
  const min = Math.round(s / 60);
  if (min < 2880) return two(Math.floor(min / 60), 'h', min % 60, 'min');
  const h = Math.round(min / 60);
  return two(Math.floor(h / 24), 'd', h % 24, 'h');
}

/* An age: in whole seconds, because it is looked at once a second. */
function age(ms) {
  if (!known(ms)) return NONE;
  return ms < 10 * SECOND ? `${Math.floor(Math.max(0, ms) / SECOND)} s` : span(Math.floor(ms / SECOND) * SECOND);
}

function ago(ms) {
  if (!known(ms)) return '';
  return ms < 0 ? `${age(-ms)} ahead` : `${age(ms)} ago`;
}

function iso(ms) {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}

/* "21:05:00", with the day where it is not today's. */
function clock(ms, now, exactly = false) {
  if (!known(ms)) return NONE;
  const text = iso(ms);
  if (text === null) return `${count(ms)} ms`;
  const [day, time] = text.split('T');
  const hms = exactly ? time.slice(0, 12) : time.slice(0, 8);
  return day === (iso(now) || '').split('T')[0] ? hms : `${day} ${hms}`;
}

const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

/* ---- Tables ------------------------------------------------------------------------------------ */

const LONG = 60, TURNS = 5;

/* A table whose rows stay the same nodes while they are the same things, so that focus, selected text
 * and the reader's place survive each second's news.
 *
 * columns: {title, cell(row) -> text or {text, small, class, title}, number, sort(row), down (sorted by
 * it first from the top down), head, pre}.
 * Sortable where columns have sort(): the headings then hold buttons. */
class Table {
  constructor(id, columns, { key, empty, sortBy = null } = {}) {
    this.table = byId(id);
    this.columns = columns;
    this.key = key;
    this.empty = empty;
    this.rows = new Map();
    this.items = [];
    this.turn = 0;
    this.sorted = { column: sortBy, down: false };
    const tr = make('tr');
    columns.forEach((column, i) => tr.append(this.heading(column, i)));
    this.table.tHead.append(tr);
    this.table.parentElement.addEventListener('scroll', () => {
      if (this.items.length > LONG) requestAnimationFrame(() => this.show(this.items));
    }, { passive: true });
    this.headings = [...tr.children];
    this.none = make('tr', {}, make('td', { colspan: columns.length, class: 'none' }, empty || 'None.'));
    this.markSorted();
  }

  heading(column, i) {
    const th = make('th', { scope: 'col', class: column.number ? 'number' : null });
    if (!column.sort) {
      th.append(column.title);
      return th;
    }
    const button = make('button', { type: 'button' }, column.title);
    button.addEventListener('click', () => this.sortBy(i));
    th.append(button);
    return th;
  }

  sortBy(i) {
    const same = this.sorted.column === i;
    this.sorted = { column: i, down: same ? !this.sorted.down : Boolean(this.columns[i].down) };
    this.markSorted();
    this.show(this.items);
  }

  markSorted() {
    const { column, down } = this.sorted;
    this.headings.forEach((th, i) => {
      if (!this.columns[i].sort) return;
      setAttributes(th, { 'aria-sort': i !== column ? 'none' : down ? 'descending' : 'ascending' });
    });
  }

  order(items) {
    const { column, down } = this.sorted;
    if (column === null) return items;
    const value = this.columns[column].sort;
    const compare = (a, b) => {
      const x = value(a), y = value(b);
      if (!known(x) || !known(y)) return known(x) ? -1 : known(y) ? 1 : 0; /* not known: last */
      return (x < y ? -1 : x > y ? 1 : 0) * (down ? -1 : 1);
    };
    return [...items].sort(compare);
  }

  newRow() {
    const tr = make('tr');
    for (const column of this.columns)
      tr.append(make(column.head ? 'th' : 'td', {
        scope: column.head ? 'row' : null,
        class: column.number ? 'number' : null,
      }));
    return tr;
  }

  fill(cell, column, value) {
    const v = value !== null && typeof value === 'object' ? value : { text: value };
    let main = cell.firstChild;
    if (!main) {
      main = make(column.pre ? 'pre' : 'span', { class: 'value' });
      cell.append(main);
    }
    setText(main, String(v.text));
    setAttributes(main, { title: v.title, class: v.class ? `value ${v.class}` : 'value' });
    let small = main.nextSibling;
    if (!small && v.small) {
      small = make('small');
      cell.append(' ', small);
    } else if (small) {
      small = cell.lastChild;
    }
    if (small) setText(small, v.small || '');
  }

  /* Of a long table, rows out of sight are filled anew in turns, within some seconds: all of 200 rows
   * each second would keep the browser busy with nothing else. Tells by a row's place. */
  filledNow(n) {
    const scroller = this.table.parentElement, row = this.table.tBodies[0].rows[0];
    if (n <= LONG || !row) return () => true;
    const first = scroller.scrollTop / row.offsetHeight - 5;
    const last = (scroller.scrollTop + scroller.clientHeight) / row.offsetHeight + 5;
    const turn = (this.turn = (this.turn + 1) % TURNS);
    return (i) => (i >= first && i <= last) || i % TURNS === turn;
  }

  show(items) {
    this.items = items;
    const body = this.table.tBodies[0];
    const seen = new Set();
    const now = this.filledNow(items.length);
    let place = body.firstChild, i = 0;
    for (const item of this.order(items)) {
      const key = String(this.key(item));
      seen.add(key);
      let tr = this.rows.get(key);
      const added = !tr;
      if (added) this.rows.set(key, (tr = this.newRow()));
      if (now(i++) || added) this.columns.forEach((column, k) => this.fill(tr.children[k], column, column.cell(item)));
      if (tr === place) place = place.nextSibling;
      else body.insertBefore(tr, place);
    }
    for (const [key, tr] of this.rows)
      if (!seen.has(key)) {
        tr.remove();
        this.rows.delete(key);
      }
    if (items.length === 0) body.append(this.none);
    else this.none.remove();
  }
}

/* ---- Histories --------------------------------------------------------------------------------- */

const HISTORY_MS = 5 * MINUTE;

/* The last minutes of one number, kept here: the server remembers none. */
class History {
  constructor() {
    this.points = [];
  }

  add(at, value) {
    if (known(value)) this.points.push([at, value]);
    while (this.points.length && this.points[0][0] < at - HISTORY_MS) this.points.shift();
  }

  /* What a counter that is now at `value` has grown by, per second, since its last look. */
  static growth(last, at, value) {
    if (!last || at <= last[0] || value < last[1]) return null;
    return ((value - last[1]) * SECOND) / (at - last[0]);
  }

  /* Paths of a line and of the area below it; where nothing was seen for a while, the line has a gap.
   * What has been seen fills the width, from the first minute on. */
  paths(x, y, width, height, now) {
    const whole = Math.min(HISTORY_MS, Math.max(MINUTE, this.points.length ? now - this.points[0][0] : 0));
    const highest = Math.max(1e-9, ...this.points.map((p) => p[1]));
    let line = '', area = '', last = null;
    const at = ([t, v]) => [
      x + width * (1 - Math.min(1, (now - t) / whole)),
      y + height * (1 - v / highest),
    ].map((n) => n.toFixed(1));
    const close = () => (last ? `L${at(last)[0]},${y + height}Z` : '');
    for (const p of this.points) {
      const gap = !last || p[0] - last[0] > 20 * SECOND;
      const [px, py] = at(p);
      if (gap) area += `${close()}M${px},${y + height}`;
      line += `${gap ? 'M' : 'L'}${px},${py}`;
      area += `L${px},${py}`;
      last = p;
    }
    return { line, area: area + close() };
  }
}

/* What all parts share: the newest status, when it came by the browser's clock, and the server's. */
const page = { status: null, details: {}, came: 0, gone: false };

/* The server's clock now, so that ages go on between two answers. */
const serverNow = () => (page.status ? page.status.job.now_ms + (Date.now() - page.came) : Date.now());

function sum(list, of) {
  return list.reduce((total, item) => total + (of(item) || 0), 0);
}

/* The greatest (or by `sign` -1 the smallest) that is known, or null. */
function extreme(list, of, sign = 1) {
  let best = null;
  for (const item of list) {
    const v = of(item);
    if (known(v) && (best === null || sign * v > sign * best)) best = v;
  }
  return best;
}
