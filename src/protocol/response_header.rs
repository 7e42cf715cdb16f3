//! Mirrors `org.apache.kafka.common.requests.ResponseHeader`.

use crate::protocol::api_keys::ApiKey;
use crate::protocol::encoding::Encoding;
use crate::protocol::readable::{DecodeError, Reader};
use crate::protocol::writable::Writable;

/// What precedes every response: header version 0, or 1 where the response is flexible and not of `ApiVersions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ResponseHeader {
    pub(crate) correlation_id: i32,
}

impl ResponseHeader {
    /// `version` is that of the request.
    pub(crate) fn encode(self, api: ApiKey, version: i16, out: &mut Vec<u8>) {
        out.put_i32(self.correlation_id);
        out.put_no_tags(encoding(api, version));
    }

    /// `version` is that of the request.
    pub(crate) fn decode(
        api: ApiKey,
        version: i16,
        reader: &mut Reader<'_>,
    ) -> Result<Self, DecodeError> {
        let correlation_id = reader.read_i32()?;
        reader.skip_tags(encoding(api, version))?;
        Ok(Self { correlation_id })
    }
}

fn encoding(api: ApiKey, version: i16) -> Encoding {
    match api.response_header_version(version) {
        0 => Encoding::Classic,
        _ => Encoding::Flexible,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_tags_where_the_response_is_flexible_but_for_api_versions() {
        let cases: [(ApiKey, i16, &[u8]); 3] = [
            (ApiKey::Produce, 8, &[0, 0, 0, 5]),
            (ApiKey::Produce, 9, &[0, 0, 0, 5, 0]),
            (ApiKey::ApiVersions, 4, &[0, 0, 0, 5]),
        ];

        for (api, version, bytes) in cases {
            let header = ResponseHeader { correlation_id: 5 };
            let mut out = Vec::new();
            header.encode(api, version, &mut out);

            assert_eq!(out, bytes, "{api} v{version}");
            let decoded = ResponseHeader::decode(api, version, &mut Reader::new(bytes));
            assert_eq!(decoded, Ok(header), "{api} v{version}");
        }
    }
}
