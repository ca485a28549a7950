//! Why a receiver was not believed to be who it says it is, in words for whoever made the webhook. Pure.

use std::error::Error;
use std::io;

use rustls::CertificateError;

/// What is wrong with the receiver's certificate, if this error says that.
pub(super) fn words(cause: &(dyn Error + 'static)) -> Option<String> {
    // An error of input and output leaves what it was made from out of its sources, and may be made from another.
    let mut cause = cause;
    while let Some(inner) = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        cause = inner;
    }
    let rustls::Error::InvalidCertificate(wrong) = cause.downcast_ref()? else { return None };
    let what = match wrong {
        CertificateError::UnknownIssuer => {
            "is from no authority that is known here; an administrator can name one with `webhooks.ca-file`"
                .into()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "is for another name than that in the URL".into()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "has expired".into(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "is not valid yet; look at the clocks of both machines".into()
        }
        CertificateError::Revoked => "was revoked".into(),
        other => format!("will not do: {other}"),
    };
    Some(format!("its certificate {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_that_will_not_do_is_told_of_wherever_the_error_is_hidden() {
        let of = |wrong: CertificateError| rustls::Error::InvalidCertificate(wrong);
        for (wrong, told) in [
            (CertificateError::UnknownIssuer, "webhooks.ca-file"),
            (CertificateError::NotValidForName, "another name"),
            (CertificateError::Expired, "has expired"),
            (CertificateError::NotValidYet, "not valid yet"),
            (CertificateError::Revoked, "revoked"),
            (CertificateError::BadSignature, "will not do"),
        ] {
            let hidden = io::Error::other(io::Error::other(of(wrong.clone())));
            for cause in [&of(wrong) as &(dyn Error + 'static), &hidden] {
                let words = words(cause).unwrap();
                assert!(words.starts_with("its certificate ") && words.contains(told), "{words}");
            }
        }
        assert_eq!(words(&io::Error::other("else")), None);
        assert_eq!(words(&rustls::Error::General("else".into())), None);
    }
}
