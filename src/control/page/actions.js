/* ---- Savepoint, stop, cancel; the token -------------------------------------------------------- */

const TOKEN = 'tidemark-token'; /* in sessionStorage: gone with the tab */

class Refusal extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

async function call(method, path, body) {
  const headers = {};
  const token = sessionStorage.getItem(TOKEN);
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  const given = new AbortController();
  const timer = setTimeout(() => given.abort(), 5 * SECOND);
  try {
    const answer = await fetch(path, {
      method, headers, cache: 'no-store', signal: given.signal,
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await answer.text();
    const json = text ? JSON.parse(text) : null;
    if (!answer.ok) throw new Refusal(answer.status, json && json.errors ? json.errors.join('; ') : `HTTP ${answer.status}`);
    return json;
  } finally {
    clearTimeout(timer);
  }
}

/* ---- Dialogs ----------------------------------------------------------------------------------- */

/* Shows a dialog, whose form's end is yes; resolves to true or false. Focus goes back by itself. */
function asked(dialog, form, no) {
  return new Promise((resolve) => {
    const opened = new AbortController();
    const on = (node, name, f) => node.addEventListener(name, f, { signal: opened.signal });
    const end = (yes) => {
      opened.abort();
      dialog.close();
      resolve(yes);
    };
    on(form, 'submit', (event) => {
      event.preventDefault();
      end(true);
    });
    on(no, 'click', () => end(false));
    on(dialog, 'cancel', (event) => { /* Escape */
      event.preventDefault();
      end(false);
    });
    dialog.showModal();
  });
}

async function askForToken(why) {
  setText(byId('token-text'), why);
  byId('token-value').value = '';
  const yes = await asked(byId('token'), byId('token-form'), byId('token-no'));
  if (yes) sessionStorage.setItem(TOKEN, byId('token-value').value);
  byId('token-value').value = '';
  return yes;
}

/* A call that changes something: asks for the token as long as it is refused for want of it. */
async function change(method, path, body) {
  for (;;) {
    try {
      return await call(method, path, body);
    } catch (refusal) {
      if (refusal.status !== 401) throw refusal;
      const had = sessionStorage.getItem(TOKEN) !== null;
      sessionStorage.removeItem(TOKEN);
      const why = had ? 'The token is not the right one.' : 'This job takes orders only with its token (the setting http.token).';
      if (!await askForToken(`${why} It is kept until this tab is closed.`)) throw new Refusal(401, 'no token was given');
    }
  }
}

/* ---- What became of it ------------------------------------------------------------------------- */

function tell(text, level = 'ok') {
  const outcome = byId('outcome');
  outcome.hidden = false;
  setAttributes(outcome, { class: `outcome ${level}` });
  setText(outcome, text);
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/* Asks until the request is done; its place, or null where the server has gone before it told. */
async function outcomeOf(job, id) {
  for (;;) {
    await pause(300);
    let answer;
    try {
      answer = await call('GET', `jobs/${job.id}/savepoints/${encodeURIComponent(id)}`);
    } catch (error) {
      if (error instanceof Refusal) throw error;
      return null;
    }
    if (answer.status.id !== 'COMPLETED') continue;
    const { location, 'failure-cause': failure } = answer.operation || {};
    if (failure) throw new Error((failure['stack-trace'] || failure.class || 'it failed').trim());
    return location || '';
  }
}

const ORDERS = {
  savepoint: {
    title: 'Put a savepoint?',
    text: 'Every partition puts a checkpoint now. The job goes on; nothing else changes.',
    yes: 'Put a savepoint',
    begun: 'The savepoint is under way.',
    send: (job) => change('POST', `jobs/${job.id}/savepoints`, { 'target-directory': null, 'cancel-job': false }),
    done: (place) => `The savepoint is durable at ${place}.`,
  },
  stop: {
    title: 'Stop the job?',
    text: 'It puts a last checkpoint, then the process ends. The next start goes on from there; open windows stay open until then.',
    yes: 'Stop the job',
    drain: true,
    ends: true,
    begun: 'The job is stopping.',
    send: (job, drain) => change('POST', `jobs/${job.id}/stop`, { drain }),
    done: (place) => `The job has stopped; its last checkpoint is durable at ${place}.`,
  },
  cancel: {
    title: 'Cancel the job?',
    text: 'The process ends after a last checkpoint. Nothing is lost: the next start goes on from there. It is as Stop, but nobody is told how it went.',
    yes: 'Cancel the job',
    ends: true,
    begun: 'The job is told to end.',
    send: (job) => change('PATCH', `jobs/${job.id}?mode=cancel`),
  },
};

async function give(order) {
  if (!page.status || page.gone) {
    tell('The server does not answer, so it cannot be told anything.', 'bad');
    return;
  }
  const { job } = page.status;
  setText(byId('ask-title'), order.title);
  setText(byId('ask-text'), `${job.name}: ${order.text}`);
  setText(byId('ask-yes'), order.yes);
  byId('ask-drain-line').hidden = !order.drain;
  byId('ask-drain').checked = false;
  setAttributes(byId('ask-yes'), { class: order.ends ? 'grave' : null });
  if (!await asked(byId('ask'), byId('ask-form'), byId('ask-no'))) return;
  try {
    const answer = await order.send(job, byId('ask-drain').checked);
    if (order.ends) page.toldToEnd = true;
    tell(order.begun);
    if (!order.done) return;
    const place = await outcomeOf(job, answer['request-id']);
    tell(place === null ? `${order.begun} The server went before it told the outcome.` : order.done(place));
  } catch (error) {
    tell(`${order.yes}: ${error.message}`, 'bad');
  }
}

for (const name of Object.keys(ORDERS)) byId(`do-${name}`).addEventListener('click', () => give(ORDERS[name]));

byId('samples-token').addEventListener('click', async () => {
  if (await askForToken('Samples are shown with the setting http.token. It is kept until this tab is closed.')) askDetails();
});
