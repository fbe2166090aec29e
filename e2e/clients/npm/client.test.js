'use strict';
// Drives Probity with the unchanged npm package purecloud-platform-client-v2 over a gateway.
const { test, before, after } = require('node:test');
const assert = require('node:assert/strict');
const { spawn, execFileSync } = require('node:child_process');
const { mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const path = require('node:path');
const readline = require('node:readline');
const { setTimeout: wait } = require('node:timers/promises');
const platform = require('purecloud-platform-client-v2');

const CLIENT = 'npm-test';
const SECRET = 'npm-test-secret';
const DEPLOYMENT = '3c0a3d5e-61a1-4a28-9d0a-7f1b2c3d4e5f';
const COOKIE = '9f5a1f4e-5a7c-4d6a-8d0a-1b2c3d4e5f60';
const EMAIL = 'npm.visitor@example.com';

let dir;
let server;
let base;
const client = platform.ApiClient.instance;

before(async () => {
  dir = mkdtempSync(path.join(tmpdir(), 'probity-npm-'));
  const bin = path.join(dir, 'probity');
  execFileSync('go', ['build', '-o', bin, './cmd/probity'], {
    cwd: path.join(__dirname, '..', '..', '..'),
    env: { ...process.env, CGO_ENABLED: '0' },
    stdio: 'inherit',
  });
  server = spawn(bin, ['serve', '--data', path.join(dir, 'data'), '--listen', '127.0.0.1:0'], {
    env: {
      ...process.env,
      PROBITY_BOOTSTRAP_CLIENT: `${CLIENT}:${SECRET}`,
      PROBITY_BOOTSTRAP_DEPLOYMENT: DEPLOYMENT,
      PROBITY_BOOTSTRAP_BASIS: 'legitimate_interest',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  for await (const line of readline.createInterface({ input: server.stdout })) {
    if (line.startsWith('ready ')) {
      base = new URL(line.slice('ready '.length));
      break;
    }
  }
  assert.ok(base, 'the server printed its ready line');
  client.setGateway({ protocol: 'http', host: base.hostname, port: base.port });
  await client.loginClientCredentialsGrant(CLIENT, SECRET);
});

after(async () => {
  if (server) {
    const ended = new Promise((resolve) => server.once('exit', resolve));
    server.kill('SIGTERM');
    await ended;
  }
  rmSync(dir, { recursive: true, force: true });
});

function webEvent(eventName, page, traits = {}) {
  return {
    customerCookieId: COOKIE,
    eventName,
    page: { url: `https://shop.example/${page}`, title: page },
    traits,
    createdDate: new Date().toISOString(),
  };
}

async function finished(gdpr, id) {
  for (let i = 0; i < 300; i++) {
    const request = await gdpr.getGdprRequest(id);
    if (request.status === 'COMPLETED') return request;
    assert.notEqual(request.status, 'ERROR');
    await wait(100);
  }
  throw new Error('the request did not end within 30 seconds');
}

test('a wrong secret is refused with a JSON error', async () => {
  const res = await fetch(new URL('/oauth/token', base), {
    method: 'POST',
    headers: { Authorization: 'Basic ' + Buffer.from(`${CLIENT}:wrong`).toString('base64') },
    body: new URLSearchParams({ grant_type: 'client_credentials' }),
  });
  assert.ok(res.status === 400 || res.status === 401);
  assert.equal((await res.json()).error, 'invalid_client');
});

test('the token knows its organisation', async () => {
  const info = await new platform.TokensApi().getTokensMe();
  assert.ok(info.organization.id);
  assert.match(info.OAuthClient.id, /^[0-9a-f-]{36}$/);
  assert.equal(info.OAuthClient.name, CLIENT);
});

test('sessions and rights work from first event to erasure', async () => {
  const journey = new platform.JourneyApi();
  const gdpr = new platform.GeneralDataProtectionRegulationApi();

  const first = await journey.postJourneyDeploymentWebevents(DEPLOYMENT, { body: webEvent('page_viewed', 'home') });
  const second = await journey.postJourneyDeploymentWebevents(
    DEPLOYMENT,
    { body: webEvent('account_opened', 'account', { email: { dataType: 'string', value: EMAIL } }) },
  );
  assert.equal(second.session.id, first.session.id);
  assert.equal(second.session.eventCount, 2);

  const session = await journey.getJourneySession(first.session.id);
  assert.equal(session.customerId, COOKIE);
  assert.equal(session.customerIdType, 'cookie');
  assert.equal(session.pageviewCount, 1);
  const events = await journey.getJourneySessionEvents(first.session.id, { pageSize: '10' });
  assert.equal(events.entities.length, 2);

  const ping = await journey.getJourneyDeploymentCustomerPing(DEPLOYMENT, COOKIE, { dl: 'https://shop.example/home', dt: 'home' });
  assert.ok(Array.isArray(ping.actions));

  const subjects = await gdpr.getGdprSubjects('EMAIL', EMAIL);
  assert.equal(subjects.entities.length, 1);
  assert.deepEqual(subjects.entities[0].journeyCustomer, { type: 'cookie', id: COOKIE });

  const exported = await finished(gdpr, (await gdpr.postGdprRequests({
    requestType: 'GDPR_EXPORT',
    subject: { emailAddresses: [EMAIL] },
  })).id);
  assert.ok(exported.resultsUrl);

  await assert.rejects(
    gdpr.postGdprRequests({ requestType: 'GDPR_EXPORT', subject: { emailAddresses: [EMAIL] }, replacementTerms: [{ type: 'EMAIL', existingValue: EMAIL, updatedValue: 'x@example.com' }] }),
    (error) => error.status === 400 && error.code === 'bad.request',
  );

  const updated = 'npm.visitor.renamed@example.com';
  await finished(gdpr, (await gdpr.postGdprRequests({
    requestType: 'GDPR_UPDATE',
    subject: { emailAddresses: [EMAIL] },
    replacementTerms: [{ type: 'EMAIL', existingValue: EMAIL, updatedValue: updated }],
  })).id);
  assert.equal((await gdpr.getGdprSubjects('EMAIL', EMAIL)).entities.length, 0);
  assert.equal((await gdpr.getGdprSubjects('EMAIL', updated)).entities.length, 1);

  const erasure = { requestType: 'GDPR_DELETE', subject: { journeyCustomer: { type: 'cookie', id: COOKIE } } };
  await assert.rejects(gdpr.postGdprRequests(erasure), (error) => error.status === 400);
  await finished(gdpr, (await gdpr.postGdprRequests(erasure, { deleteConfirmed: true })).id);
  await assert.rejects(journey.getJourneySession(first.session.id), (error) => error.status === 404);
  await assert.rejects(
    journey.postJourneyDeploymentWebevents(DEPLOYMENT, { body: webEvent('page_viewed', 'late') }),
    (error) => error.status >= 400 && error.status < 500,
  );
  assert.equal((await gdpr.getGdprSubjects('EMAIL', updated)).entities.length, 0);
});
