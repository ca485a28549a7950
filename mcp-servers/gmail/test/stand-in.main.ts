import { run } from '../../runtime/test/stand-in.ts';
import credentials from './credentials.json' with { type: 'json' };
import { gmail } from './stand-in.ts';

await run(gmail(credentials).receive);
