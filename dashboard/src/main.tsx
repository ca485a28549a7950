import { render } from 'preact';
import { App } from './app.tsx';
import './styles/tokens.css';
import './styles/base.css';
import './styles/parts.css';
import './styles/controls.css';
import './styles/shell.css';
import './styles/list.css';
import './styles/instance.css';
import './styles/pages.css';
import './styles/import.css';
import './styles/audit.css';
import './styles/phone.css';

render(<App />, document.getElementById('app')!);
