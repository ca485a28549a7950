//! Every route of the management API on one screen, grouped by first path segment, and what becomes of a
//! request that fits none.

use std::sync::{Arc, LazyLock};

use http::{HeaderValue, Method, StatusCode, header};
use warp::filters::BoxedFilter;
use warp::path::{end, param, path};
use warp::{Filter, delete, get, patch, post, put};

use super::call::{Answer, Call};
use super::context::Context;
use super::own::OwnRoutes;
use super::{
    actors, audit, credentials, dashboard, docs, events, health, instances, keys, logs, me, metrics, openapi,
    stats, system, tokens, types, users, webhooks,
};
use crate::problem::{Code, Problem};

/// All routes, those of the embedding program behind ours. Each group is boxed, so that a request passes by the others
/// in one step.
pub(super) fn all(context: Arc<Context>, own: Option<OwnRoutes>) -> BoxedFilter<(Answer,)> {
    let call = Call::filter(context);
    let v1 = path("v1").and(
        instances_routes(&call)
            .or(credential_routes(&call))
            .unify()
            .or(type_routes(&call))
            .unify()
            .or(watching_routes(&call))
            .unify()
            .or(key_routes(&call))
            .unify()
            .or(user_routes(&call))
            .unify()
            .or(webhook_routes(&call))
            .unify(),
    );
    let ours = v1.or(public_routes(&call)).unify().boxed();
    let known = match own {
        Some(own) => ours.or(own.filter()).unify().boxed(),
        None => ours,
    };
    known.or(unmatched()).unify().boxed()
}

fn instances_routes(call: &BoxedFilter<(Call,)>) -> BoxedFilter<(Answer,)> {
    let call = || call.clone();
    let one = || param::<String>();
    let whole = end().and(get()).and(call()).then(instances::list);
    let whole = whole.or(end().and(post()).and(call()).then(instances::create)).unify();
    let single = one().and(end()).and(get()).and(call()).then(instances::show);
    let single = single.or(one().and(end()).and(delete()).and(call()).then(instances::delete)).unify();
    let reads = one().and(path("wait")).and(end()).and(get()).and(call()).then(instances::wait);
    let reads = reads.or(one().and(path("logs")).and(end()).and(get()).and(call()).then(logs::show)).unify();
    let reads =
        reads.or(one().and(path("stats")).and(end()).and(get()).and(call()).then(stats::show)).unify();
    let reads = reads
        .or(one().and(path("diagnose")).and(end()).and(get()).and(call()).then(instances::diagnose))
        .unify();
    let reads = reads
        .or(one().and(path("client-config")).and(end()).and(get()).and(call()).then(instances::client_config))
        .unify();
    let past = one().and(path("transitions")).and(end()).and(get()).and(call()).then(events::transitions);
    let reads = reads.or(past).unify();
    let orders = one().and(path("stop")).and(end()).and(post()).and(call()).then(instances::stop);
    let orders = orders
        .or(one().and(path("restart")).and(end()).and(post()).and(call()).then(instances::restart))
        .unify();
    let orders = orders
        .or(one().and(path("restore")).and(end()).and(post()).and(call()).then(instances::restore))
        .unify();
    let orders = orders
        .or(one().and(path("extend")).and(end()).and(post()).and(call()).then(instances::extend))
        .unify();
    let orders =
        orders.or(one().and(path("token")).and(end()).and(post()).and(call()).then(instances::token)).unify();
    path("instances").and(whole.or(single).unify().or(reads).unify().or(orders).unify()).boxed()
}

fn credential_routes(call: &BoxedFilter<(Call,)>) -> BoxedFilter<(Answer,)> {
    let call = || call.clone();
    let one = || param::<String>().and(end());
    let routes = end().and(get()).and(call()).then(credentials::list);
    let routes = routes.or(end().and(post()).and(call()).then(credentials::create)).unify();
    let routes = routes.or(one().and(get()).and(call()).then(credentials::show)).unify();
    let routes = routes.or(one().and(put()).and(call()).then(credentials::replace)).unify();
    let routes = routes.or(one().and(delete()).and(call()).then(credentials::delete)).unify();
    path("credentials").and(routes).boxed()
}

fn type_routes(call: &BoxedFilter<(Call,)>) -> BoxedFilter<(Answer,)> {
    let call = || call.clone();
    let one = || param::<String>().and(end());
    let routes = end().and(get()).and(call()).then(types::list);
    let routes = routes.or(end().and(post()).and(call()).then(types::create)).unify();
    let routes = routes.or(one().and(get()).and(call()).then(types::show)).unify();
    let routes = routes.or(one().and(put()).and(call()).then(types::replace)).unify();
    let routes = routes.or(one().and(delete()).and(call()).then(types::delete)).unify();
    let import = path("import").and(end()).and(post());
    let routes = routes.or(import.and(call()).then(types::import)).unify();
    let install = param::<String>().and(path("install")).and(end()).and(post());
    let routes = routes.or(install.and(call()).then(types::install)).unify();
    path("types").and(routes).boxed()
}

fn key_routes(call: &BoxedFilter<(Call,)>) -> BoxedFilter<(Answer,)> {
    let call = || call.clone();
    let routes = end().and(get()).and(call()).then(keys::list);
    let routes = routes.or(path("rotate").and(end()).and(post()).and(call()).then(keys::rotate)).unify();
    path("keys").and(routes).boxed()
}

fn user_routes(call: &BoxedFilter<(Call,)>) -> BoxedFilter<(Answer,)> {
    let call = || call.clone();
    let one = || param::<String>().and(end());
    let own = || param::<String>().and(path("tokens")).and(end());
    let routes = end().and(get()).and(call()).then(users::list);
    let routes = routes.or(end().and(post()).and(call()).then(users::create)).unify();
    let routes = routes.or(one().and(get()).and(call()).then(users::show)).unify();
    let routes = routes.or(one().and(patch()).and(call()).then(users::change)).unify();
    let routes = routes.or(one().and(delete()).and(call()).then(users::delete)).unify();
    let routes = routes.or(own().and(get()).and(call()).then(tokens::list)).unify();
    let routes = routes.or(own().and(post()).and(call()).then(tokens::create)).unify();
    let token = path("tokens").and(one()).and(delete()).and(call()).then(tokens::delete);
    path("users").and(routes).or(token).unify().boxed()
}

fn webhook_routes(call: &BoxedFilter<(Call,)>) -> BoxedFilter<(Answer,)> {
    let call = || call.clone();
    let one = || param::<String>().and(end());
    let below = |name: &'static str| param::<String>().and(path(name)).and(end());
    let routes = end().and(get()).and(call()).then(webhooks::list);
    let routes = routes.or(end().and(post()).and(call()).then(webhooks::create)).unify();
    let routes = routes.or(one().and(get()).and(call()).then(webhooks::show)).unify();
    let routes = routes.or(one().and(patch()).and(call()).then(webhooks::change)).unify();
    let routes = routes.or(one().and(delete()).and(call()).then(webhooks::delete)).unify();
    let routes = routes.or(below("test").and(post()).and(call()).then(webhooks::test)).unify();
    let routes = routes.or(below("deliveries").and(get()).and(call()).then(webhooks::deliveries)).unify();
    path("webhooks").and(routes).boxed()
}

fn watching_routes(call: &BoxedFilter<(Call,)>) -> BoxedFilter<(Answer,)> {
    let call = || call.clone();
    let routes = path("me").and(end()).and(get()).and(call()).then(me::show);
    let routes = routes.or(path("events").and(end()).and(get()).and(call()).then(events::follow)).unify();
    let routes = routes.or(path("actors").and(end()).and(get()).and(call()).then(actors::list)).unify();
    let routes = routes.or(path("audit").and(end()).and(get()).and(call()).then(audit::show)).unify();
    let routes = routes
        .or(path("system").and(path("isolation")).and(end()).and(get()).and(call()).then(system::isolation))
        .unify();
    let below = path("actors").and(warp::path::tail()).and(get()).and(call()).then(actors::show);
    routes.or(below).unify().boxed()
}

fn public_routes(call: &BoxedFilter<(Call,)>) -> BoxedFilter<(Answer,)> {
    let call = || call.clone();
    let routes = path("healthz").and(end()).and(get()).and(call()).then(health::lives);
    let routes = routes.or(path("readyz").and(end()).and(get()).and(call()).then(health::ready)).unify();
    let routes = routes.or(path("metrics").and(end()).and(get()).and(call()).then(metrics::show)).unify();
    let routes =
        routes.or(path("openapi.json").and(end()).and(get()).and(call()).then(openapi::show)).unify();
    let routes = routes.or(path("docs").and(end()).and(get()).and(call()).then(docs::page)).unify();
    let routes = routes.or(end().and(get()).and(call()).then(dashboard::page)).unify();
    let part = path("assets").and(param::<String>()).and(end()).and(get()).and(call()).then(dashboard::asset);
    let routes = routes.or(part).unify();
    routes
        .or(path("docs").and(param::<String>()).and(end()).and(get()).and(call()).then(docs::part))
        .unify()
        .boxed()
}

/// What fits no route: 405 with the methods that would, where the path is known, else 404.
fn unmatched() -> BoxedFilter<(Answer,)> {
    warp::any()
        .and(warp::method())
        .and(warp::path::full())
        .map(|method: Method, path: warp::path::FullPath| answer_unmatched(&method, path.as_str()))
        .boxed()
}

fn answer_unmatched(method: &Method, path: &str) -> Answer {
    let Some(known) = methods_of(path) else {
        let detail = "there is no such route; GET /openapi.json describes those there are";
        return Err(Problem::new(Code::RouteNotFound, detail));
    };
    let mut names = known.clone();
    if names.contains(&"GET") {
        names.push("HEAD");
    }
    names.push("OPTIONS");
    let allowed = names.join(", ");
    let mut response = if method == Method::OPTIONS {
        warp::Reply::into_response(StatusCode::NO_CONTENT)
    } else {
        let detail = format!("{method} is not for this route; it takes {allowed}");
        warp::Reply::into_response(Problem::new(Code::MethodNotAllowed, detail))
    };
    if let Ok(allowed) = HeaderValue::from_str(&allowed) {
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    Ok(response)
}

/// Routes for browsers, which the OpenAPI document does not speak of.
const PAGES: [&str; 3] = ["/", "/assets/{name}", "/docs/{name}"];

static PATHS: LazyLock<Vec<(String, Vec<&'static str>)>> = LazyLock::new(|| {
    let pages = PAGES.into_iter().map(|path| (path.to_owned(), vec!["GET"]));
    openapi::methods().into_iter().chain(pages).collect()
});

/// The methods of a path.
fn methods_of(path: &str) -> Option<Vec<&'static str>> {
    PATHS.iter().find(|(template, _)| fits(template, path)).map(|(_, methods)| methods.clone())
}

/// The route of a request, such as `/v1/instances/{id}`. One that is spelled out counts before one with a place
/// for anything.
pub(super) fn template_of(method: &Method, path: &str) -> Option<&'static str> {
    let fitting =
        PATHS.iter().filter(|(template, methods)| methods.contains(&method.as_str()) && fits(template, path));
    fitting.map(|(template, _)| template.as_str()).min_by_key(|template| template.matches('{').count())
}

fn fits(template: &str, path: &str) -> bool {
    let (mut template, mut path) = (template.split('/'), path.split('/'));
    loop {
        match (template.next(), path.next()) {
            (None, None) => return true,
            // The path of an actor has any number of segments.
            (Some("{path}"), Some(_)) => return true,
            (Some(part), Some(given)) if part.starts_with('{') => {
                if given.is_empty() {
                    return false;
                }
            }
            (Some(part), Some(given)) if part == given => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_path_with_a_wrong_method_says_which_are_right() {
        let allowed = |method: &Method, path: &str| {
            let response = answer_unmatched(method, path).ok()?;
            let allow = response.headers().get(header::ALLOW)?.to_str().ok()?.to_owned();
            Some((response.status().as_u16(), allow))
        };
        let post = "GET, POST, HEAD, OPTIONS".to_owned();
        assert_eq!(allowed(&Method::PUT, "/v1/instances"), Some((405, post.clone())));
        assert_eq!(allowed(&Method::OPTIONS, "/v1/instances"), Some((204, post)));
        assert_eq!(allowed(&Method::GET, "/v1/instances/x/stop"), Some((405, "POST, OPTIONS".into())));
        assert_eq!(
            allowed(&Method::POST, "/v1/actors/supervisor/x"),
            Some((405, "GET, HEAD, OPTIONS".into()))
        );
        for page in ["/", "/assets/app.js", "/docs/page.css"] {
            assert_eq!(allowed(&Method::POST, page), Some((405, "GET, HEAD, OPTIONS".into())), "{page}");
        }
        for unknown in
            ["/v1", "/v1/instance", "/v1/instances/", "/register", "/.well-known/oauth-authorization-server"]
        {
            assert_eq!(
                answer_unmatched(&Method::GET, unknown).unwrap_err().code(),
                Code::RouteNotFound,
                "{unknown}"
            );
        }
    }
}
