import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import winston from 'winston';
import { EnvironmentError, type JsonObject, type LogLevel } from './environment.ts';
import type { Redactor } from './redaction.ts';

const MAX_BYTES = 10 * 1024 * 1024;
const MAX_FILES = 5;

/** Where a server and its tools say what happened. Secrets are masked on the way in. */
export interface Log {
  error(message: string, details?: JsonObject): void;
  warn(message: string, details?: JsonObject): void;
  info(message: string, details?: JsonObject): void;
  debug(message: string, details?: JsonObject): void;
  /** Resolves when everything said so far is in the files. Nothing may be said afterwards. */
  close(): Promise<void>;
}

/**
 * Opens `app.log` and `error.log` in `dir`, creating it; JSON lines, 10 MB each, five files each.
 * @throws EnvironmentError when the directory cannot be made
 */
export function openLog(dir: string | null, level: LogLevel, redactor: Redactor): Log {
  const transports = dir === null ? [] : files(dir);
  const logger = winston.createLogger({
    level,
    levels: { error: 0, warn: 1, info: 2, debug: 3 },
    format: winston.format.combine(winston.format.timestamp(), winston.format.json()),
    transports,
    silent: transports.length === 0,
  });
  // A full disk costs log lines, not the process.
  logger.on('error', () => {});
  const say = (severity: LogLevel) => (message: string, details?: JsonObject) => {
    if (!logger.isLevelEnabled(severity)) return;
    const safe = details === undefined ? {} : (redactor.value(details) as JsonObject);
    logger.log({ ...safe, level: severity, message: redactor.text(message) });
  };
  return {
    error: say('error'),
    warn: say('warn'),
    info: say('info'),
    debug: say('debug'),
    close: async () => {
      const written = transports.map((file) => new Promise((resolve) => file.once('finish', resolve)));
      logger.end();
      await Promise.all(written);
    },
  };
}

function files(dir: string): winston.transport[] {
  try {
    mkdirSync(dir, { recursive: true });
  } catch (error) {
    throw new EnvironmentError([`LOG_DIR cannot be used: ${(error as NodeJS.ErrnoException).code}`]);
  }
  const limits = { maxsize: MAX_BYTES, maxFiles: MAX_FILES };
  return [
    new winston.transports.File({ filename: join(dir, 'app.log'), ...limits }),
    new winston.transports.File({ filename: join(dir, 'error.log'), level: 'error', ...limits }),
  ];
}
