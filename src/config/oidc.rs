//! Whether callers may log in by an OpenID Connect issuer, and as what.

use url::{Host, Url};

use super::values::Values;
use crate::store::Role;

/// A trusted issuer and what its claims amount to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OidcSettings {
    /// As the `iss` claim has it, letter by letter.
    pub issuer: String,
    /// What has to be in the `aud` claim.
    pub audience: String,
    /// The claim that names a user.
    pub user_claim: String,
    /// The claim with the values that stand for roles.
    pub role_claim: String,
    /// Values of the role claim and the role that each stands for.
    pub role_map: Vec<(String, Role)>,
    /// The role of users without any such value; without it, they are refused.
    pub default_role: Option<Role>,
}

/// The settings below `oidc`, or `None` if no issuer is named.
pub(super) fn read(values: &mut Values) -> Option<OidcSettings> {
    let issuer = values.optional("oidc.issuer", issuer);
    let audience = values.optional("oidc.audience", |text| Ok(text.to_owned()));
    let user_claim = values.read("oidc.user-claim", claim);
    let role_claim = values.read("oidc.role-claim", claim);
    let role_map = values.optional("oidc.role-map", role_map).unwrap_or_default();
    let roles = [Role::Admin, Role::Operator, Role::User].map(|role| (role.as_str(), Some(role)));
    let default_role = values.word("oidc.default-role", &[&[("none", None)], &roles[..]].concat());
    let (Some(issuer), Some(audience)) = (&issuer, &audience) else {
        if issuer.is_some() {
            values.fault("oidc.audience", "it has to name this daemon as the issuer does in the `aud` claim");
        } else if audience.is_some() {
            values.fault("oidc.issuer", "it has to name the issuer of the tokens");
        }
        return None;
    };
    if role_map.is_empty() && default_role.is_none() {
        values.fault(
            "oidc.role-map",
            "nobody could log in: map a value of the role claim, such as admins=admin",
        );
    }
    let (issuer, audience) = (issuer.clone(), audience.clone());
    Some(OidcSettings { issuer, audience, user_claim, role_claim, role_map, default_role })
}

/// Whether what comes from there can be believed: https, or this machine.
pub(crate) fn is_trustworthy(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| match (url.scheme(), url.host()) {
        ("https", Some(_)) => true,
        ("http", Some(Host::Ipv4(ip))) => ip.is_loopback(),
        ("http", Some(Host::Ipv6(ip))) => ip.is_loopback(),
        ("http", Some(Host::Domain(name))) => name == "localhost",
        _ => false,
    })
}

fn issuer(text: &str) -> Result<String, String> {
    if is_trustworthy(text) && !text.contains(['?', '#']) {
        Ok(text.into())
    } else {
        Err("an https URL without query, as the issuer writes it (http is for loopback only)".into())
    }
}

fn claim(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("it has to be the name of a claim".into()) } else { Ok(text.into()) }
}

/// `platform=admin,people=user`.
fn role_map(text: &str) -> Result<Vec<(String, Role)>, String> {
    let pair = |pair: &str| {
        let (value, role) = pair.rsplit_once('=')?;
        let value = value.trim();
        (!value.is_empty()).then_some((value.to_owned(), Role::from_name(role.trim())?))
    };
    let pairs = text.split(',').filter(|text| !text.trim().is_empty()).map(pair);
    let wanted = "a list of values and roles, such as [\"platform=admin\", \"people=user\"]";
    pairs.collect::<Option<Vec<_>>>().ok_or_else(|| wanted.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::{fault_of, settings};

    #[test]
    fn an_issuer_needs_an_audience_and_a_way_to_a_role() {
        assert_eq!(settings("").oidc, None);
        let whole = "[oidc]\nissuer = 'https://id.example/realms/x'\naudience = 'urn:minimcp'\n\
                     role-map = ['platform=admin', 'a=b=user']\nrole-claim = 'realm_access.roles'";
        let oidc = settings(whole).oidc.unwrap();
        assert_eq!(oidc.role_map, [("platform".into(), Role::Admin), ("a=b".into(), Role::User)]);
        assert_eq!((oidc.user_claim.as_str(), oidc.default_role), ("preferred_username", None));
        for (file, key) in [
            ("issuer = 'https://id.example'\ndefault-role = 'user'", "oidc.audience"),
            ("audience = 'x'", "oidc.issuer"),
            ("issuer = 'https://id.example'\naudience = 'x'", "oidc.role-map"),
            ("issuer = 'https://id.example'\naudience = 'x'\nrole-map = ['x=king']", "oidc.role-map"),
            ("issuer = 'http://id.example'\naudience = 'x'\ndefault-role = 'user'", "oidc.issuer"),
            ("default-role = 'king'", "oidc.default-role"),
        ] {
            let told = fault_of(&format!("[oidc]\n{file}"));
            assert!(told.contains(key), "{file}: {told}");
        }
    }

    #[test]
    fn only_https_and_this_machine_are_believed() {
        for good in ["https://id.example", "http://127.0.0.1:1", "http://[::1]:1", "http://localhost:1/x"] {
            assert!(is_trustworthy(good), "{good}");
        }
        for bad in
            ["http://id.example", "http://10.0.0.1", "http://localhost.example", "ftp://127.0.0.1", "x", ""]
        {
            assert!(!is_trustworthy(bad), "{bad}");
        }
    }
}
