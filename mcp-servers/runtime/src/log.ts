import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'winston';
import { EnvironmentError, LOG_LEVELS, type JsonObject, type LogLevel } from './environment.ts';
import type { Redactor } from './redaction.ts';

const MAX_BYTES = 10 * 1024 * 1024;
const MAX_FILES = 5;

/** Lines that wait for the files to be opened; past this many they are not waited for any longer. */
const MAX_EARLY = 256;

/** Where a server and its tools say what happened. Secrets are masked on the way in. */
export interface Log {
  error(message: string, details?: JsonObject): void;
  warn(message: string, details?: JsonObject): void;
  info(message: string, details?: JsonObject): void;
  debug(message: string, details?: JsonObject): void;
}

/** What is written, how much of it, and where. */
export interface LogTarget {
  level: LogLevel;
  /** A directory for `app.log` and `error.log`, or null. */
  dir: string | null;
  /** Whether lines go to stderr as well. */
  stderr: boolean;
}

type Line = JsonObject & { level: LogLevel; message: string; timestamp: string };

/**
 * JSON lines in `app.log` and `error.log`, 10 MB each, five files each. What is said before `open` is kept, and written
 * first: loading the logger costs a tenth of the start, and the first answer need not wait for it.
 */
export class FileLog implements Log {
  readonly #admitted: ReadonlySet<LogLevel>;
  readonly #early: Line[] = [];
  #opening: Promise<Logger> | undefined;
  #logger: Logger | undefined;

  /** @throws EnvironmentError when the directory cannot be made */
  constructor(
    private readonly target: LogTarget,
    private readonly redactor: Redactor,
  ) {
    const { dir, stderr, level } = target;
    if (dir !== null) make(dir);
    const silent = dir === null && !stderr;
    this.#admitted = new Set(silent ? [] : LOG_LEVELS.slice(0, LOG_LEVELS.indexOf(level) + 1));
  }

  error = (message: string, details?: JsonObject) => this.#say('error', message, details);
  warn = (message: string, details?: JsonObject) => this.#say('warn', message, details);
  info = (message: string, details?: JsonObject) => this.#say('info', message, details);
  debug = (message: string, details?: JsonObject) => this.#say('debug', message, details);

  /** Opens the files and writes what was said so far. */
  async open(): Promise<void> {
    await (this.#opening ??= this.#load());
  }

  /** Resolves when everything said so far is in the files. Nothing may be said afterwards. */
  async close(): Promise<void> {
    const logger = await (this.#opening ??= this.#load());
    const written = logger.transports.map((transport) => new Promise((resolve) => transport.once('finish', resolve)));
    logger.end();
    await Promise.all(written);
  }

  #say(level: LogLevel, message: string, details: JsonObject = {}): void {
    if (!this.#admitted.has(level)) return;
    const safe = this.redactor.value(details) as JsonObject;
    const line = { ...safe, level, message: this.redactor.text(message), timestamp: new Date().toISOString() };
    if (this.#logger) this.#logger.log(line);
    else if (this.#early.push(line) === MAX_EARLY) void this.open();
  }

  async #load(): Promise<Logger> {
    const { default: winston } = await import('winston');
    const { dir, stderr, level } = this.target;
    const limits = { maxsize: MAX_BYTES, maxFiles: MAX_FILES };
    const logger = winston.createLogger({
      level,
      levels: Object.fromEntries(LOG_LEVELS.map((name, rank) => [name, rank])),
      format: winston.format.json(),
      transports: [
        ...(dir === null
          ? []
          : [
              new winston.transports.File({ filename: join(dir, 'app.log'), ...limits }),
              new winston.transports.File({ filename: join(dir, 'error.log'), level: 'error', ...limits }),
            ]),
        ...(stderr ? [new winston.transports.Console({ stderrLevels: [...LOG_LEVELS] })] : []),
      ],
      silent: dir === null && !stderr,
    });
    // A full disk costs log lines, not the process.
    logger.on('error', () => {});
    for (const line of this.#early.splice(0)) logger.log(line);
    this.#logger = logger;
    return logger;
  }
}

function make(dir: string): void {
  try {
    mkdirSync(dir, { recursive: true });
  } catch (error) {
    throw new EnvironmentError([`LOG_DIR cannot be used: ${(error as NodeJS.ErrnoException).code}`]);
  }
}
