import { defineTool, Failure, type Call } from '@minimcp/runtime';
import { path } from '@minimcp/runtime/rest';
import * as z from 'zod';
import { ask } from './client.ts';
import type { Credentials } from './credentials.ts';
import { bigId } from './references.ts';

/** How many folders of a team are looked into for one answer: each costs a request of the rate limit. */
const FOLDERS_AT_ONCE = 5;

const Folder = z.object({ id: z.string(), name: z.string(), parent_folder_id: z.string().nullish() });
const Folders = z.object({ name: z.string(), folders: z.array(Folder) });

const File = z.object({
  key: z.string(),
  name: z.string(),
  last_modified: z.string(),
  thumbnail_url: z.string().optional(),
});
const Files = z.object({ name: z.string(), files: z.array(File) });

export const listFiles = defineTool({
  name: 'list_files',
  title: 'List files',
  description:
    'Lists the files of a folder (once called project) with its subfolders, or the folders of a team with their files, five folders on a page. Figma has no list of everything a token can see.',
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true },
  input: z.object({
    folder_id: bigId.optional().describe('A folder; wins over a team'),
    team_id: bigId.optional().describe("A team; the one of the instance's settings if both are left out"),
    page: z.int().min(1).default(1).describe("Which page of a team's folders, from 1"),
  }),
  output: z.object({
    name: z.string().describe('Of the folder or the team'),
    folders: z.array(Folder).describe('Directly below it'),
    files: z.array(File.extend({ folder_id: z.string() })),
    next_page: z.int().nullable().describe('The page to ask for next; null on the last one'),
  }),
  run: async ({ folder_id, team_id, page }, call: Call<Credentials>) => {
    if (folder_id !== undefined) {
      const [{ name, files }, { folders }] = await Promise.all([
        filesOf(call, folder_id),
        ask(call, { path: path`/v2/folders/${folder_id}/folders` }, Folders),
      ]);
      return { name, folders, files, next_page: null };
    }
    const team = team_id ?? teamOf(call);
    const { name, folders } = await ask(call, { path: path`/v2/teams/${team}/folders` }, Folders);
    const end = page * FOLDERS_AT_ONCE;
    const opened = await Promise.all(folders.slice(end - FOLDERS_AT_ONCE, end).map(({ id }) => filesOf(call, id)));
    return { name, folders, files: opened.flatMap(({ files }) => files), next_page: end < folders.length ? page + 1 : null };
  },
});

async function filesOf(call: Call<Credentials>, folder_id: string) {
  const { name, files } = await ask(call, { path: path`/v2/folders/${folder_id}/files` }, Files);
  return { name, files: files.map((file) => ({ ...file, folder_id })) };
}

function teamOf({ config }: Call<Credentials>): string {
  const team = config['team_id'];
  if (team === undefined) {
    throw new Failure(
      'invalid',
      'Which files? Give folder_id or team_id, or set team_id in CONFIG. The id of a team stands in the address of its page, after /team/',
    );
  }
  const checked = bigId.safeParse(team);
  if (!checked.success) throw new Failure('invalid', 'team_id in CONFIG is not an id: digits in quotes');
  return checked.data;
}
