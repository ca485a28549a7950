import { testEveryTool } from '../../runtime/test/calls.ts';
import calls from './calls.json' with { type: 'json' };
import credentials from './credentials.json' with { type: 'json' };

testEveryTool('gmail', ['GMAIL_API_URL', 'GOOGLE_OAUTH_URL'], credentials, calls);
