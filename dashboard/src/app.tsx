import { useEffect, useState } from 'preact/hooks';
import { get, wordsOf } from './api/client.ts';
import type { Me } from './api/types.ts';
import { ActorsPage } from './pages/actors.tsx';
import { AlertsPage } from './pages/alerts.tsx';
import { AuditPage } from './audit/page.tsx';
import { CredentialsPage } from './pages/credentials.tsx';
import { ImportPage } from './import/page.tsx';
import { InstancePage } from './instance/page.tsx';
import { InstancesPage } from './pages/instances.tsx';
import { CreatePage } from './create/page.tsx';
import { SignIn } from './pages/sign-in.tsx';
import { TypesPage } from './pages/types.tsx';
import { UserPage } from './pages/user.tsx';
import { UsersPage } from './pages/users.tsx';
import { segments } from './router.ts';
import { isAdmin, mayChange, me, seesAll, token } from './session.ts';
import { PageHead, Shell } from './shell.tsx';
import { Feedback } from './ui/feedback.tsx';
import { Empty, Trouble } from './ui/load.tsx';

export function App() {
  return (
    <>
      <Gate />
      <Feedback />
    </>
  );
}

function Gate() {
  if (token.value === null) return <SignIn />;
  if (me.value === null) return <Returning />;
  return (
    <Shell>
      <Route />
    </Shell>
  );
}

/** The page was loaded again within a session: who this is has to be asked anew. */
function Returning() {
  const [error, setError] = useState<string | null>(null);
  const ask = () => {
    setError(null);
    get<Me>('/v1/me').then(
      (who) => {
        me.value = who;
      },
      (thrown: unknown) => setError(wordsOf(thrown)),
    );
  };
  useEffect(ask, []);
  return (
    <main class="returning">
      {error === null ? (
        <p role="status" class="muted">
          Signing in…
        </p>
      ) : (
        <Trouble text={error} retry={ask} />
      )}
    </main>
  );
}

function Route() {
  const [first, second] = segments.value;
  switch (first) {
    case undefined:
      return <InstancesPage />;
    case 'instances':
      if (second !== undefined) return <InstancePage key={second} id={second} />;
      break;
    case 'new':
      if (mayChange.value) return <CreatePage />;
      break;
    case 'alerts':
      return <AlertsPage />;
    case 'credentials':
      return <CredentialsPage />;
    case 'types':
      if (second === undefined) return <TypesPage />;
      if (second === 'import' && isAdmin.value) return <ImportPage />;
      break;
    case 'actors':
      if (seesAll.value) return <ActorsPage />;
      break;
    case 'account':
      return <UserPage key={me.value!.id} id={me.value!.id} />;
    case 'audit':
      if (isAdmin.value) return <AuditPage />;
      break;
    case 'users':
      if (!isAdmin.value) break;
      return second === undefined ? <UsersPage /> : <UserPage key={second} id={second} />;
  }
  return (
    <>
      <PageHead title="Nothing here" />
      <Empty title="The address leads nowhere">
        <p>Or to something that your role does not see.</p>
        <p>
          <a href="#/">All servers</a>
        </p>
      </Empty>
    </>
  );
}
