import { run } from '../../runtime/test/stand-in.ts';
import credentials from './credentials.json' with { type: 'json' };
import { gitHub } from './stand-in.ts';

await run(gitHub([credentials.personal_access_token]).receive);
