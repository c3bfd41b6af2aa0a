/* ---- Checkpoints, files, late and rejected, exceptions, settings ------------------------------- */

const timeCell = (ms) => withAge(ms, serverNow());
const partitionCell = (o) => (known(o.partition) ? String(o.partition) : 'job');

/* ---- Checkpoints ------------------------------------------------------------------------------- */

const checkpointTable = new Table('checkpoint-table', [
  { title: 'Partition', head: true, number: true, cell: partitionCell },
  { title: 'Number', number: true, cell: (c) => (c.failed ? { text: 'failed', class: 'bad' } : { text: count(c.number), small: c.savepoint ? 'savepoint' : '' }) },
  { title: 'At', cell: (c) => timeCell(c.at_ms) },
  { title: 'Took', number: true, cell: (c) => span(c.duration_ms) },
  { title: 'Size', number: true, cell: (c) => bytes(c.bytes) },
  { title: 'Next offset', number: true, cell: (c) => count(c.next) },
  { title: 'Open files', number: true, cell: (c) => count(c.open_files) },
  { title: 'Publishes', number: true, cell: (c) => count(c.commits) },
  { title: 'Why not', cell: (c) => c.why || '' },
], { key: (c) => c.id, empty: 'No checkpoint yet.' });

/* Bars: how long each took; dots: its size. The newest stands at the right. */
function drawCheckpoints(list, width) {
  const height = 74, base = height - 16, top = 6;
  const shown = list.slice(0, Math.max(10, Math.floor(width / 7))).reverse();
  const longest = Math.max(1, ...shown.map((c) => c.duration_ms || 0));
  const largest = Math.max(1, ...shown.map((c) => c.bytes || 0));
  const step = Math.min(14, width / Math.max(1, shown.length));
  const failed = shown.filter((c) => c.failed).length;
  const words = `The last ${plural(shown.length, 'checkpoint')}: at most ${span(longest)} and ${bytes(largest)}, ${plural(failed, 'failure')}.`;
  const svg = draw('svg', { width, height, role: 'img', 'aria-label': words });
  svg.append(draw('line', { x1: 0, x2: width, y1: base, y2: base, class: 'grid' }));
  const dots = [];
  shown.forEach((c, i) => {
    const x = width - (shown.length - i) * step;
    const h = c.failed ? base - top : Math.max(2, ((c.duration_ms || 0) / longest) * (base - top));
    svg.append(draw('rect', { x: (x + 1).toFixed(1), y: (base - h).toFixed(1), width: Math.max(1, step - 2).toFixed(1), height: h.toFixed(1),
      class: c.failed ? 'took failed' : c.savepoint ? 'took savepoint' : 'took' },
    draw('title', {}, `Partition ${c.partition}: ${c.failed ? 'failed' : `number ${count(c.number)}`}, ${span(c.duration_ms)}, ${bytes(c.bytes)}`)));
    if (!c.failed) dots.push(draw('circle', { cx: (x + step / 2).toFixed(1), cy: (base - (c.bytes / largest) * (base - top)).toFixed(1), r: 2, class: 'size' }));
  });
  svg.append(...dots, draw('text', { x: 0, y: height - 3, class: 'axis' }, `bars: duration, up to ${span(longest)} · dots: size, up to ${bytes(largest)}`));
  return svg;
}

function showCheckpoints() {
  const { checkpoints, ever } = page.details.checkpoints;
  setText(byId('checkpoints-sum'), `${count(ever)} since the process began`);
  redraw(byId('checkpoint-chart'), checkpoints.map((c) => c.id), (width) => drawCheckpoints(checkpoints, width));
  checkpointTable.show(checkpoints.slice(0, 50));
}

/* ---- Files ------------------------------------------------------------------------------------- */

const fileTable = new Table('file-table', [
  { title: 'Visible at', head: true, cell: (f) => timeCell(f.at_ms) },
  { title: 'Partition', number: true, cell: partitionCell },
  { title: 'Window', cell: (f) => (known(f.window_start) ? clock(f.window_start, serverNow()) : `_${f.class}`) },
  { title: 'Lines', number: true, cell: (f) => count(f.events) },
  { title: 'Size', number: true, cell: (f) => bytes(f.bytes) },
  { title: 'After closing', number: true, cell: (f) => span(f.visibility_ms) },
  { title: 'Key', cell: (f) => ({ text: f.key, class: 'key-name', title: f.key }) },
], { key: (f) => f.id, empty: 'No file has become visible since the process began.' });

function showFiles() {
  const { published, published_ever: ever } = page.details.files;
  setText(byId('files-sum'), `${count(ever)} since the process began`);
  fileTable.show(published.slice(0, 50));
  showTimeline();
}

/* ---- Late and rejected ------------------------------------------------------------------------- */

const reasonTable = new Table('reason-table', [
  { title: 'Class', head: true, cell: (r) => r.class },
  { title: 'Reason', cell: (r) => r.reason },
  { title: 'Records', number: true, cell: (r) => count(r.n) },
  { title: 'Share', number: true, cell: (r) => percent(r.share) },
], { key: (r) => `${r.class} ${r.reason}`, empty: 'No record is late or rejected.' });

/* From the status, so that it is right also where samples may not be seen. */
function showReasons(status) {
  const list = status.partitions;
  const read = sum(list, (p) => p.events.event + p.events.late + p.events.rejected + p.events.null);
  const rows = [];
  const add = (kind, reason, n) => n && rows.push({ class: kind, reason, n, share: n / read });
  const late = sum(list, (p) => p.events.late), rejected = sum(list, (p) => p.events.rejected);
  add('late', 'came after its window had closed', late);
  const reasons = new Set(list.flatMap((p) => Object.keys(p.rejected)));
  for (const reason of reasons) add('rejected', reason, sum(list, (p) => p.rejected[reason]));
  add('key', 'has another key than its event', sum(list, (p) => p.key_mismatches));
  add('null', 'has no value', sum(list, (p) => p.events.null));
  reasonTable.show(rows.sort((a, b) => b.n - a.n));
  setText(byId('bad-sum'), `${count(late)} late, ${count(rejected)} rejected of ${count(read)}`);
}

function sampleValue(s) {
  const text = known(s.value) ? s.value : `base64: ${s.value_base64 || ''}`;
  return s.cut ? `${text} … (${bytes(s.value_len)})` : text;
}

const sampleColumns = [
  { title: 'Read at', head: true, cell: (s) => timeCell(s.at_ms) },
  { title: 'Place', cell: (s) => ({ text: `p${s.partition} @ ${count(s.offset)}` }) },
];
const valueColumn = { title: 'Value', pre: true, cell: sampleValue };

const rejectedTable = new Table('rejected-table', [...sampleColumns,
  { title: 'Reason', cell: (s) => ({ text: s.reason, small: s.detail || '' }) },
  valueColumn,
], { key: (s) => s.id, empty: 'None since the process began.' });

const lateTable = new Table('late-table', [...sampleColumns,
  { title: 'Event of', cell: (s) => ({ text: clock(s.ts, serverNow()),
    small: `${span(s.watermark - s.ts)} behind the watermark` }) },
  valueColumn,
], { key: (s) => s.id, empty: 'None since the process began.' });

function showSamples() {
  byId('samples').hidden = false;
  byId('samples-refused').hidden = true;
  rejectedTable.show(page.details.samples.rejected);
  lateTable.show(page.details.samples.late);
}

/* Samples hold records' content, so they may need the token, or not be served at all. */
function samplesRefused(refusal) {
  byId('samples').hidden = true;
  byId('samples-refused').hidden = false;
  byId('samples-token').hidden = refusal.status !== 401;
  setText(byId('samples-why'), refusal.status === 401 ? 'Samples show what records hold, so they need the token.' : refusal.message);
}

/* ---- Exceptions and settings ------------------------------------------------------------------- */

const errorTable = new Table('error-table', [
  { title: 'At', head: true, cell: (e) => timeCell(e.at_ms) },
  { title: 'Partition', number: true, cell: partitionCell },
  { title: 'Kind', cell: (e) => e.kind },
  { title: 'What', cell: (e) => ({ text: e.text, class: 'long' }) },
], { key: (e) => e.id, empty: 'None since the process began.' });

function showErrors() {
  const { errors, ever } = page.details.errors;
  setText(byId('exceptions-sum'), ever ? `${count(ever)} since the process began` : '');
  errorTable.show(errors);
}

const settingsTable = new Table('settings-table', [
  { title: 'Setting', head: true, cell: (s) => s.key },
  { title: 'Value', cell: (s) => ({ text: s.value === null ? '' : s.value, class: 'long' }) },
  { title: 'Origin', cell: (s) => s.origin },
], { key: (s) => s.key, empty: 'No setting is like this.' });

function showSettings() {
  if (!page.details.settings) return;
  const words = byId('settings-find').value.toLowerCase();
  const changed = byId('settings-changed').checked;
  settingsTable.show(page.details.settings.settings.filter((s) =>
    `${s.key} ${s.value} ${s.origin}`.toLowerCase().includes(words) && !(changed && s.origin === 'default')));
}
byId('settings-find').addEventListener('input', showSettings);
byId('settings-changed').addEventListener('change', showSettings);
