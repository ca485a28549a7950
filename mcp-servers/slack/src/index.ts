import { serve } from '@minimcp/runtime';
import { listChannels } from './channels.ts';
import { checkCredentials } from './client.ts';
import { Credentials } from './credentials.ts';
import { listFiles, readFile, uploadFile } from './files.ts';
import { addReaction, getHistory, getReplies, sendMessage } from './messages.ts';
import { searchMessages } from './search.ts';
import { getUser, listUsers } from './users.ts';

serve({
  name: 'slack',
  version: '0.1.0',
  credentials: Credentials,
  vendor: { variable: 'SLACK_API_URL', url: 'https://slack.com' },
  tools: [
    listChannels,
    sendMessage,
    getHistory,
    getReplies,
    addReaction,
    listUsers,
    getUser,
    listFiles,
    readFile,
    uploadFile,
    searchMessages,
  ],
  checkCredentials,
});
