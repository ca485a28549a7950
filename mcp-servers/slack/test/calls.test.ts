import { testEveryTool } from '../../runtime/test/calls.ts';
import calls from './calls.json' with { type: 'json' };
import credentials from './credentials.json' with { type: 'json' };

testEveryTool('slack', ['SLACK_API_URL'], credentials, calls);
