/** The log levels a server knows, from quiet to talkative. */
export const LOG_LEVELS = ['error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** A JSON object whose shape is not this file's business. */
export type JsonObject = Record<string, unknown>;

/** A loopback port (0 lets the kernel choose), or a descriptor of a socket that was handed over and listens already. */
export type Listen = { port: number } | { fd: number };

/** The first descriptor that a process is handed, by systemd's protocol. */
const FIRST_HANDED_FD = 3;

/** Who this process is and where it writes, as the supervisor said in the environment. */
export interface Environment {
  listen: Listen;
  /** Identity of the instance, echoed by `/health`; null when not given. */
  mcpId: string | null;
  userId: string | null;
  mcpType: string | null;
  /** Names this very run, so that a supervisor knows its own child from a stranger on the same port. */
  nonce: string | null;
  /** The user's settings. They never say where a vendor lives. */
  config: JsonObject;
  logLevel: LogLevel;
  /** Whether the log goes to stderr as well. */
  debug: boolean;
  /** Where logs and metrics go; null writes none. */
  logDir: string | null;
}

/** The environment cannot be used. The message names variables and what is wrong, never a value. */
export class EnvironmentError extends Error {
  override name = 'EnvironmentError';

  constructor(readonly problems: readonly string[]) {
    super(problems.join('; '));
  }
}

/**
 * Parses the JSON object in `env[name]`; an absent or empty variable is the empty object.
 * @throws EnvironmentError when the text is not JSON or not an object
 */
export function jsonObject(env: NodeJS.ProcessEnv, name: string): JsonObject {
  const text = env[name];
  if (!text) return {};
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's message quotes the text, which may be a secret.
    throw new EnvironmentError([`${name} is not valid JSON`]);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new EnvironmentError([`${name} is not a JSON object`]);
  }
  return value as JsonObject;
}

/**
 * Reads everything but the credentials from `env`.
 * @throws EnvironmentError with every problem found, not only the first
 */
export function readEnvironment(env: NodeJS.ProcessEnv): Environment {
  const problems: string[] = [];
  const collect = <T>(read: () => T, otherwise: T): T => {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof EnvironmentError)) throw error;
      problems.push(...error.problems);
      return otherwise;
    }
  };
  const debug = /(^|[\s,])(mcp(:\*)?|\*)($|[\s,])/.test(env['DEBUG'] ?? '');
  const environment: Environment = {
    listen: collect(() => listen(env), { port: 0 }),
    mcpId: env['MCP_ID'] || null,
    userId: env['USER_ID'] || null,
    mcpType: env['MCP_TYPE'] || null,
    nonce: env['MCP_NONCE'] || null,
    config: collect(() => jsonObject(env, 'CONFIG'), {}),
    logLevel: collect(() => logLevel(env, debug ? 'debug' : 'info'), 'info'),
    debug,
    logDir: env['LOG_DIR'] || null,
  };
  if (problems.length > 0) throw new EnvironmentError(problems);
  return environment;
}

/**
 * Reads where a vendor's API lives, without a slash at the end. Only an administrator sets such a variable: a user who
 * could would have the credentials sent anywhere. Plain HTTP is for stand-ins on the same machine.
 * @throws EnvironmentError when it is not a URL, or not a safe one
 */
export function vendorUrl(env: NodeJS.ProcessEnv, variable: string, otherwise: string): string {
  const text = env[variable] || otherwise;
  if (!URL.canParse(text)) throw new EnvironmentError([`${variable} is not a URL`]);
  const url = new URL(text);
  const local = url.protocol === 'http:' && ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname);
  if (url.protocol !== 'https:' && !local) throw new EnvironmentError([`${variable} is neither https nor loopback http`]);
  if (url.username || url.password || url.search || url.hash) {
    throw new EnvironmentError([`${variable} holds more than a host and a path`]);
  }
  return url.href.replace(/\/+$/, '');
}

/** Reads the protocol of sd_listen_fds(3), and takes it out of `env` so that no child believes it was meant. */
function listen(env: NodeJS.ProcessEnv): Listen {
  const { LISTEN_PID: pid, LISTEN_FDS: count } = env;
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) delete env[name];
  if (pid !== String(process.pid) || count === undefined) return { port: port(env) };
  if (count !== '1') throw new EnvironmentError(['LISTEN_FDS is not 1; one socket is served']);
  return { fd: FIRST_HANDED_FD };
}

function port(env: NodeJS.ProcessEnv): number {
  const text = env['PORT'];
  if (!text) throw new EnvironmentError(['PORT is missing']);
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65535) {
    throw new EnvironmentError(['PORT is not a port number (0 to 65535)']);
  }
  return Number(text);
}

function logLevel(env: NodeJS.ProcessEnv, otherwise: LogLevel): LogLevel {
  const text = env['LOG_LEVEL'] || otherwise;
  const level = LOG_LEVELS.find((known) => known === text);
  if (!level) throw new EnvironmentError([`LOG_LEVEL is not one of ${LOG_LEVELS.join(', ')}`]);
  return level;
}
