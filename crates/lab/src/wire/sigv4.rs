//! Signature Version 4: what a request says about who sent it, and whether that is true.
//!
//! Checked are the form of the header (algorithm, credential scope, signed headers, 64 hexadecimal digits), that the scope's date
//! is that of `X-Amz-Date`, that `host` is signed, that the clock is within 15 minutes, and the signature itself with the secret
//! of the access key. Sources: "Create a signed AWS API request" in AWS's IAM guide.

use hmac::{Hmac, Mac};
use hyper::HeaderMap;
use sha2::{Digest, Sha256};

use super::ApiError;

/// The `Authorization` header, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Authorization {
    pub(crate) access_key: String,
    pub(crate) date: String,
    pub(crate) region: String,
    /// As the scope names it: `ec2`, `sts`, `ssm`, `elasticloadbalancing`.
    pub(crate) service: String,
    signed_headers: Vec<String>,
    signature: String,
}

/// A request's parts that are signed.
#[derive(Debug)]
pub(crate) struct Signed<'a> {
    pub(crate) method: &'a str,
    /// Percent-encoded, as it came.
    pub(crate) path: &'a str,
    /// Without the question mark, as it came.
    pub(crate) query: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
}

fn malformed(why: &str) -> ApiError {
    ApiError::new(
        "IncompleteSignature",
        format!("The Authorization header is not a well-formed AWS Signature Version 4: {why}"),
    )
}

impl Authorization {
    pub(crate) fn parse(header: &str) -> Result<Self, ApiError> {
        let rest = header
            .strip_prefix("AWS4-HMAC-SHA256 ")
            .ok_or_else(|| malformed("it does not begin with AWS4-HMAC-SHA256"))?;
        let (mut credential, mut signed, mut signature) = (None, None, None);
        for part in rest.split(',') {
            match part.trim().split_once('=') {
                Some(("Credential", value)) => credential = Some(value),
                Some(("SignedHeaders", value)) => signed = Some(value),
                Some(("Signature", value)) => signature = Some(value),
                _ => {
                    return Err(malformed(
                        "it has a part that is not Credential, SignedHeaders or Signature",
                    ));
                }
            }
        }
        let credential = credential.ok_or_else(|| malformed("it has no Credential"))?;
        let scope: Vec<&str> = credential.split('/').collect();
        let &[access_key, date, region, service, "aws4_request"] = scope.as_slice() else {
            return Err(malformed("its Credential is not KEY/DATE/REGION/SERVICE/aws4_request"));
        };
        if date.len() != 8 || !date.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(malformed("the date in its Credential is not YYYYMMDD"));
        }
        if [access_key, region, service].iter().any(|part| part.is_empty()) {
            return Err(malformed("its Credential has an empty part"));
        }
        let signed_headers: Vec<String> = signed
            .ok_or_else(|| malformed("it has no SignedHeaders"))?
            .split(';')
            .map(str::to_owned)
            .collect();
        if !signed_headers.iter().any(|name| name == "host") {
            return Err(malformed("the host header is not signed"));
        }
        let signature = signature.ok_or_else(|| malformed("it has no Signature"))?;
        if signature.len() != 64 || !signature.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(malformed("its Signature is not 64 hexadecimal digits"));
        }
        Ok(Self {
            access_key: access_key.to_owned(),
            date: date.to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
            signed_headers,
            signature: signature.to_owned(),
        })
    }

    /// Whether the request was signed with this secret, at about `now`.
    pub(crate) fn verify(&self, secret: &str, request: &Signed<'_>, now: jiff::Timestamp) -> Result<(), ApiError> {
        let header = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok());
        let time = header("x-amz-date").ok_or_else(|| malformed("there is no X-Amz-Date header"))?;
        if !time.starts_with(&self.date) {
            return Err(malformed("the date in its Credential is not that of X-Amz-Date"));
        }
        let sent = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", time)
            .and_then(|time| time.to_zoned(jiff::tz::TimeZone::UTC))
            .map_err(|_| malformed("X-Amz-Date is not YYYYMMDDTHHMMSSZ"))?
            .timestamp();
        if now.duration_since(sent).abs() > jiff::SignedDuration::from_mins(15) {
            return Err(ApiError::new(
                "RequestExpired",
                format!("Request has expired: it was signed at {sent}, and it is {now}"),
            ));
        }
        let mut canonical = format!(
            "{}\n{}\n{}\n",
            request.method,
            request.path,
            canonical_query(request.query)
        );
        for name in &self.signed_headers {
            let values: Vec<&str> = request
                .headers
                .get_all(name.as_str())
                .iter()
                .filter_map(|value| value.to_str().ok())
                .collect();
            let joined = values.join(",");
            let words: Vec<&str> = joined.split_whitespace().collect();
            canonical.push_str(&format!("{name}:{}\n", words.join(" ")));
        }
        canonical.push_str(&format!("\n{}\n", self.signed_headers.join(";")));
        let of_body = hex(&Sha256::digest(request.body));
        match header("x-amz-content-sha256") {
            // The SDKs may leave the body out of the signature.
            Some(claimed) if claimed == "UNSIGNED-PAYLOAD" || claimed == of_body => canonical.push_str(claimed),
            Some(_) => {
                return Err(ApiError::new(
                    "XAmzContentSHA256Mismatch",
                    "The provided 'x-amz-content-sha256' header does not match what was computed.",
                ));
            }
            None => canonical.push_str(&of_body),
        }
        let scope = format!("{}/{}/{}/aws4_request", self.date, self.region, self.service);
        let to_sign = format!(
            "AWS4-HMAC-SHA256\n{time}\n{scope}\n{}",
            hex(&Sha256::digest(canonical.as_bytes()))
        );
        let mut key = hmac(format!("AWS4{secret}").as_bytes(), &self.date);
        for part in [&self.region, &self.service, "aws4_request"] {
            key = hmac(&key, part);
        }
        if hex(&hmac(&key, &to_sign)) != self.signature.to_ascii_lowercase() {
            return Err(ApiError::new(
                "SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key \
                 and signing method. Consult the service documentation for details.",
            )
            .with_status(403));
        }
        Ok(())
    }
}

/// The query's parameters, sorted. They come percent-encoded as they are to be signed.
fn canonical_query(query: &str) -> String {
    let mut pairs: Vec<(&str, &str)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .collect();
    pairs.sort_unstable();
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    // HMAC takes keys of any length: this cannot fail, and a signature of nothing would not match.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return Vec::new();
    };
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

    /// The example of AWS's guide ("GET ListUsers"): not made by this code.
    fn example() -> (Authorization, HeaderMap) {
        let authorization = Authorization::parse(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date, \
             Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
        )
        .unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(
            "content-type",
            "application/x-www-form-urlencoded; charset=utf-8".parse().unwrap(),
        );
        headers.insert("host", "iam.amazonaws.com".parse().unwrap());
        headers.insert("x-amz-date", "20150830T123600Z".parse().unwrap());
        (authorization, headers)
    }

    fn signed<'a>(headers: &'a HeaderMap, query: &'a str) -> Signed<'a> {
        Signed {
            method: "GET",
            path: "/",
            query,
            headers,
            body: b"",
        }
    }

    #[test]
    fn published_example_verifies() {
        let (authorization, headers) = example();
        let now = "2015-08-30T12:40:00Z".parse().unwrap();
        let query = "Action=ListUsers&Version=2010-05-08";
        authorization.verify(SECRET, &signed(&headers, query), now).unwrap();
        let other = authorization
            .verify("other", &signed(&headers, query), now)
            .unwrap_err();
        assert_eq!(other.code, "SignatureDoesNotMatch");
        let tampered = authorization
            .verify(SECRET, &signed(&headers, "Action=DeleteUser&Version=2010-05-08"), now)
            .unwrap_err();
        assert_eq!(tampered.code, "SignatureDoesNotMatch");
        let late = "2015-08-30T13:00:00Z".parse().unwrap();
        let late = authorization
            .verify(SECRET, &signed(&headers, query), late)
            .unwrap_err();
        assert_eq!(late.code, "RequestExpired");
    }

    #[test]
    fn malformed_headers_are_refused() {
        let good = "AWS4-HMAC-SHA256 Credential=K/20150830/r/ec2/aws4_request, SignedHeaders=host, Signature=";
        let signature = "0".repeat(64);
        Authorization::parse(&format!("{good}{signature}")).unwrap();
        for bad in [
            "Bearer x".to_owned(),
            format!("{good}zz"),
            format!("{good}{signature}").replace("SignedHeaders=host", "SignedHeaders=x-amz-date"),
            format!("{good}{signature}").replace("aws4_request", "aws4"),
            format!("{good}{signature}").replace("20150830", "2015"),
            format!("{good}{signature}").replace("Credential=K", "Credential="),
        ] {
            assert_eq!(
                Authorization::parse(&bad).unwrap_err().code,
                "IncompleteSignature",
                "{bad}"
            );
        }
    }
}
