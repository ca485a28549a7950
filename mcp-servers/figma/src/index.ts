import { serve } from '@minimcp/runtime';
import { checkCredentials } from './client.ts';
import { getComments, postComment } from './comments.ts';
import { Credentials } from './credentials.ts';
import { exportAssets } from './export-assets.ts';
import { listFiles } from './list-files.ts';
import { readFile } from './read-file.ts';

serve({
  name: 'figma',
  version: '0.1.0',
  credentials: Credentials,
  vendor: { variable: 'FIGMA_API_URL', url: 'https://api.figma.com' },
  tools: [listFiles, readFile, exportAssets, getComments, postComment],
  checkCredentials,
});
