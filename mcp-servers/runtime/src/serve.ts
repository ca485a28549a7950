import { setTimeout as delay } from 'node:timers/promises';
import type { Server, ServerNotifier } from '@modelcontextprotocol/server';
import type * as z from 'zod';
import { Catalogue } from './catalogue.ts';
import { readCredentials } from './credentials.ts';
import { EnvironmentError, readEnvironment, vendorUrl, type Environment } from './environment.ts';
import { Health } from './health.ts';
import { Http, type Answer } from './http.ts';
import { FileLog, type Log } from './log.ts';
import { Mcp } from './mcp.ts';
import { Metrics, writeWhole } from './metrics.ts';
import { protocolServer } from './protocol-server.ts';
import { Redactor } from './redaction.ts';
import type { Call, Tool } from './tool.ts';

/** The exit code for an environment that cannot be used: starting again does not help. */
const EXIT_CONFIGURATION = 78;

/** How long calls may run on after a request to stop, in milliseconds. */
const DRAIN_MS = 8_000;

/** How long a background check of the credentials may take, in milliseconds. */
const CHECK_MS = 10_000;

/** How long a process puts off what no answer has to wait for, in milliseconds: while nobody asks, and once somebody did. */
const UNASKED_MS = 500;
const ASKED_MS = 10;

/** An address of the vendor's, and the variable by which an administrator moves it. */
export interface VendorAddress {
  variable: string;
  url: string;
}

/** A server: its name, what credentials it needs and what it can do. */
export interface ServerDefinition<S extends z.ZodType> {
  name: string;
  version: string;
  /** The shape of CREDENTIALS. */
  credentials: S;
  /** Where the vendor's API lives, and by name in `others` what else of the vendor's the tools ask. */
  vendor: VendorAddress & { others?: Readonly<Record<string, VendorAddress>> };
  tools: readonly Tool<z.infer<S>>[];
  /** Asks the vendor cheaply whether it accepts the credentials; throws a Failure of kind `refused` if not. */
  checkCredentials?: (call: Call<z.infer<S>>) => Promise<unknown>;
  /**
   * Lets a server speak more of the protocol than tools. Called with each new protocol server, after its tools were
   * registered: one for each request without a session, one for each session, whose calls are then answered with
   * streams. What it says to `tools/list` and `server/discover` must not change during the life of the process.
   */
  extend?: (server: Server, notifier: ServerNotifier) => void;
}

/**
 * Runs a server until SIGTERM or SIGINT, then ends the process: 0 after an orderly stop, 78 when the environment
 * cannot be used, 1 when the port cannot be had or after a fault that nothing caught.
 */
export function serve<S extends z.ZodType>(definition: ServerDefinition<S>): void {
  // Whoever reads the output may leave first; that is no reason to die.
  process.stdout.on('error', () => {});
  process.stderr.on('error', () => {});
  start(definition, process.env).catch((error: unknown) => {
    const configuration = error instanceof EnvironmentError;
    const reason = configuration ? error.message : ((error as NodeJS.ErrnoException).code ?? 'internal error');
    process.stderr.write(`${definition.name}: ${reason}\n`, () => process.exit(configuration ? EXIT_CONFIGURATION : 1));
  });
}

async function start<S extends z.ZodType>(definition: ServerDefinition<S>, env: NodeJS.ProcessEnv): Promise<void> {
  const { vendor } = definition;
  const [environment, url, urls, credentials] = together(
    () => readEnvironment(env),
    () => vendorUrl(env, vendor.variable, vendor.url),
    () => otherUrls(env, vendor.others ?? {}),
    () => readCredentials(definition.credentials, env),
  );
  const redactor = new Redactor(credentials.secrets);
  const { logDir: dir, logLevel: level, debug: stderr } = environment;
  const log = new FileLog({ dir, level, stderr }, redactor);
  const call = {
    credentials: credentials.values,
    config: environment.config,
    vendorUrl: url,
    vendorUrls: urls,
    log,
    secret: (value: string) => redactor.issued(value),
  };
  const check = definition.checkCredentials;
  const health = new Health(
    check ? () => check({ ...call, signal: AbortSignal.timeout(CHECK_MS) }) : null,
    (reason) => redactor.text(reason),
  );
  const metrics = new Metrics();
  const catalogue = new Catalogue(definition.tools, { call, health, metrics, redactor });
  const info = { name: definition.name, version: definition.version };
  const mcp = new Mcp({
    newServer: (notifier) => {
      const server = protocolServer(info, catalogue as Catalogue<never>);
      definition.extend?.(server, notifier);
      return server;
    },
    streams: definition.extend !== undefined,
    log,
  });
  const pages = {
    health: () => healthPage(environment, definition.name, health, metrics),
    metrics: () => metricsPage(environment, metrics, log),
  };
  const http = new Http(mcp, pages, metrics, log);
  onFault(log, redactor, definition.name);
  onStop(async (signal) => {
    log.info('stopping', { signal });
    const inTime = await http.drain(DRAIN_MS);
    if (!inTime) log.warn('calls were cut at shutdown', { afterMs: DRAIN_MS });
    await mcp.close();
    http.cut();
    await writeLastMetrics(environment, metrics, log);
    log.info('stopped', { signal });
    await log.close();
  });
  const address = await http.listen(environment.listen);
  process.stdout.write(`${definition.name} listening on ${address}\n`);
  const { mcpId, mcpType, userId } = environment;
  log.info('listening', { address, mcpId, mcpType, userId });
  await Promise.race([http.firstAnswer, delay(UNASKED_MS)]);
  // Whoever waited for the first answer asks next, and goes first.
  await delay(ASKED_MS);
  await mcp.prime();
  await log.open();
}

function otherUrls(env: NodeJS.ProcessEnv, others: Readonly<Record<string, VendorAddress>>): Record<string, string> {
  const names = Object.keys(others);
  const urls = together(...names.map((name) => () => vendorUrl(env, others[name]!.variable, others[name]!.url)));
  return Object.fromEntries(names.map((name, index) => [name, urls[index]!]));
}

/** All values, or one error with the problems of all. */
function together<T extends unknown[]>(...reads: { [I in keyof T]: () => T[I] }): T {
  const problems: string[] = [];
  const values = reads.map((read) => {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof EnvironmentError)) throw error;
      problems.push(...error.problems);
      return undefined;
    }
  });
  if (problems.length > 0) throw new EnvironmentError(problems);
  return values as T;
}

function healthPage(environment: Environment, name: string, health: Health, metrics: Metrics): Answer {
  const reason = health.refusal;
  const uptime = metrics.uptime;
  return {
    status: reason === null ? 200 : 503,
    body: {
      status: reason === null ? 'healthy' : 'unhealthy',
      ...(reason !== null && { reason }),
      mcpId: environment.mcpId,
      mcpType: environment.mcpType ?? name,
      userId: environment.userId,
      nonce: environment.nonce,
      uptime: { seconds: Math.floor(uptime / 1000), hours: Math.floor(uptime / 3_600_000) },
      metrics: { requests: metrics.requests, errors: metrics.errors, errorRate: metrics.errorRate },
      timestamp: new Date().toISOString(),
    },
    afterwards: () => health.refresh(),
  };
}

function metricsPage(environment: Environment, metrics: Metrics, log: Log): Answer {
  const body = metrics.snapshot();
  if (environment.logDir !== null) {
    writeWhole(environment.logDir, 'metrics.json', body).catch((error: unknown) =>
      log.error('metrics were not written', { error }),
    );
  }
  return { status: 200, body };
}

async function writeLastMetrics(environment: Environment, metrics: Metrics, log: Log): Promise<void> {
  if (environment.logDir === null) return;
  const last = { ...metrics.snapshot(), shutdownTime: new Date().toISOString(), totalUptime: metrics.uptime };
  try {
    await writeWhole(environment.logDir, 'shutdown-metrics.json', last);
  } catch (error) {
    log.error('shutdown metrics were not written', { error });
  }
}

function onStop(stop: (signal: string) => Promise<void>): void {
  let stopping = false;
  const once = (signal: string) => {
    if (stopping) return;
    stopping = true;
    stop(signal).then(
      () => process.exit(0),
      () => process.exit(1),
    );
  };
  process.on('SIGTERM', once);
  process.on('SIGINT', once);
}

function onFault(log: FileLog, redactor: Redactor, name: string): void {
  process.on('unhandledRejection', (error) => log.error('unhandled rejection', { error }));
  // After this nothing about the process can be trusted; the supervisor starts a new one.
  process.on('uncaughtException', (error) => {
    log.error('uncaught exception', { error });
    process.stderr.write(`${name}: ${redactor.text(String(error))}\n`);
    log.close().finally(() => process.exit(1));
  });
}
