/* ---- The table of partitions ------------------------------------------------------------------- */

const withAge = (ms, now) => ({ text: clock(ms, now), small: known(ms) ? ago(now - ms) : '' });

const partitionTable = new Table('partition-table', [
  { title: 'Partition', head: true, number: true, sort: (p) => p.partition, cell: (p) => String(p.partition) },
  { title: 'State', sort: (p) => p.state, cell: (p) => ({
    text: p.replaying ? `${p.state}, replays` : p.state, class: p.state === 'running' ? null : 'warn' }) },
  { title: 'Position', number: true, sort: (p) => p.position, cell: (p) => count(p.position) },
  { title: 'Lag', number: true, down: true, sort: (p) => p.lag,
    cell: (p) => ({ text: count(p.lag), small: p.lag ? span(known(p.lag_seconds) ? p.lag_seconds * 1000 : null) : '' }) },
  { title: 'Watermark', sort: (p) => p.watermark, cell: (p) => withAge(p.watermark, serverNow()) },
  { title: 'Newest event', sort: (p) => p.max_ts, cell: (p) => withAge(p.max_ts, serverNow()) },
  { title: 'Windows', number: true, down: true, sort: (p) => p.open_windows,
    cell: (p) => ({ text: count(p.open_windows), small: plural(p.open_files, 'file') }) },
  { title: 'Events', number: true, down: true, sort: (p) => p.events.event, cell: (p) => count(p.events.event) },
  { title: 'Late', number: true, down: true, sort: (p) => p.events.late, cell: (p) => count(p.events.late) },
  { title: 'Rejected', number: true, down: true, sort: (p) => p.events.rejected, cell: (p) => count(p.events.rejected) },
  { title: 'Checkpoint', number: true, down: true, sort: (p) => p.checkpoint.number,
    cell: (p) => ({ text: count(p.checkpoint.number), small: ago(p.checkpoint.age_ms) }) },
  { title: 'Kafka must hold', number: true, sort: (p) => p.replay_from, cell: (p) => ({
    text: known(p.replay_from) ? `≥ ${count(p.replay_from)}` : NONE }) },
  { title: 'Owner', sort: (p) => p.owner, cell: (p) => p.owner },
], { key: (p) => p.partition, empty: 'Kafka has given this process no partition yet.', sortBy: 0 });

function showPartitions(status) {
  const list = status.partitions;
  partitionTable.show(list);
  const lag = list.some((p) => known(p.lag)) ? `, ${count(sum(list, (p) => p.lag))} records to read` : '';
  setText(byId('partitions-sum'), `${count(list.length)} here` +
    (status.topic_partitions ? ` of ${count(status.topic_partitions)} in the topic` : '') + lag);
}
