import { defineTool, Failure, type Call } from '@minimcp/runtime';
import * as z from 'zod';
import { ask } from './client.ts';
import type { Credentials } from './credentials.ts';
import { repository } from './paging.ts';

const MAX_PATHS = 20;

/** What all files of one answer may hold together, in bytes: an agent reads them at once. */
const MAX_TOTAL_BYTES = 2 * 1024 * 1024;

const Entry = z.object({ name: z.string(), path: z.string(), type: z.string(), size: z.int() });

const Contents = z.union([
  z.array(Entry),
  z.object({
    type: z.string(),
    path: z.string(),
    size: z.int(),
    sha: z.string(),
    content: z.string().optional(),
    encoding: z.string().optional(),
    target: z.string().optional(),
  }),
]);

const ReadFile = z.object({
  path: z.string(),
  type: z.string().describe('file, dir, symlink or submodule'),
  size: z.int().optional().describe('In bytes'),
  sha: z.string().optional(),
  encoding: z.enum(['utf-8', 'base64']).optional().describe('base64 for files that are not text'),
  content: z.string().optional(),
  entries: z.array(Entry).optional().describe('What a directory holds'),
  target: z.string().optional().describe('Where a symlink points'),
});

type ReadFile = z.infer<typeof ReadFile>;

export const readFiles = defineTool({
  name: 'read_files',
  title: 'Read files',
  description:
    'Reads files, and lists directories, of a repository at a branch, tag or commit. A path that cannot be read is reported in errors beside those that can.',
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true },
  input: z.object({
    ...repository,
    paths: z
      .array(z.string().describe('From the root of the repository; empty for the root itself'))
      .min(1)
      .max(MAX_PATHS),
    ref: z.string().min(1).optional().describe('Branch, tag or commit; the default branch if left out'),
  }),
  output: z.object({
    files: z.array(ReadFile),
    errors: z.array(z.object({ path: z.string(), message: z.string() })),
  }),
  run: async ({ owner, repo, paths, ref }, call: Call<Credentials>) => {
    const wanted = [...new Set(paths.map((path) => path.replace(/^\/+|\/+$/g, '')))];
    const reads = await Promise.allSettled(wanted.map((path) => read(call, owner, repo, path, ref)));
    // Where nothing could be read the call as a whole has failed.
    const first = reads.find((outcome) => outcome.status === 'rejected');
    if (first && reads.every((outcome) => outcome.status === 'rejected')) throw first.reason;
    const files: ReadFile[] = [];
    const errors: { path: string; message: string }[] = [];
    let total = 0;
    for (const [index, outcome] of reads.entries()) {
      const path = wanted[index]!;
      if (outcome.status === 'rejected') {
        if (!concernsOnlyOnePath(outcome.reason)) throw outcome.reason;
        errors.push({ path, message: (outcome.reason as Failure).message });
        continue;
      }
      total += outcome.value.content?.length ?? 0;
      if (total > MAX_TOTAL_BYTES) errors.push({ path, message: 'The answer is full; ask for this path by itself' });
      else files.push(outcome.value);
    }
    return { files, errors };
  },
});

async function read(
  call: Call<Credentials>,
  owner: string,
  repo: string,
  path: string,
  ref: string | undefined,
): Promise<ReadFile> {
  const { data } = await ask(
    call,
    owner,
    (github, stop) => github.rest.repos.getContent({ owner, repo, path, ref, ...stop }),
    Contents,
  );
  if (Array.isArray(data)) return { path, type: 'dir', entries: data };
  const { type, size, sha, target } = data;
  const described = { path: data.path, type, size, sha, target };
  if (type !== 'file') return described;
  if (data.encoding !== 'base64' || data.content === undefined) {
    throw new Failure('invalid', `${path} has ${size} bytes, and files of up to 1 MB are read`);
  }
  return { ...described, ...decoded(data.content) };
}

function decoded(base64: string): Pick<ReadFile, 'encoding' | 'content'> {
  const bytes = Buffer.from(base64, 'base64');
  try {
    return { encoding: 'utf-8', content: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch {
    return { encoding: 'base64', content: bytes.toString('base64') };
  }
}

function concernsOnlyOnePath(reason: unknown): boolean {
  return reason instanceof Failure && ['not_found', 'invalid', 'forbidden'].includes(reason.kind);
}
