import { run } from '../../runtime/test/stand-in.ts';
import credentials from './credentials.json' with { type: 'json' };
import { slack } from './stand-in.ts';

await run(slack(credentials).receive);
