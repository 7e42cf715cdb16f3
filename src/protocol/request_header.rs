//! Mirrors `org.apache.kafka.common.requests.RequestHeader`.

use crate::protocol::api_keys::ApiKey;
use crate::protocol::encoding::Encoding;
use crate::protocol::readable::{DecodeError, DecodeProblem, Reader};
use crate::protocol::writable::Writable;

/// What precedes every request: header version 1, or 2 where the request is flexible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestHeader<'a> {
    pub(crate) api: ApiKey,
    /// The version of the request, which decides that of the header.
    pub(crate) version: i16,
    pub(crate) correlation_id: i32,
    pub(crate) client_id: Option<&'a str>,
}

impl<'a> RequestHeader<'a> {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.put_i16(self.api.id());
        out.put_i16(self.version);
        out.put_i32(self.correlation_id);
        // Not compact in any version: a broker must be able to read the header of an ApiVersions request newer than it.
        out.put_nullable_string(self.client_id, Encoding::Classic);
        out.put_no_tags(self.api.encoding(self.version));
    }

    /// The version may be one that we do not speak: the caller checks it.
    pub(crate) fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let id = reader.read_i16()?;
        let api = ApiKey::from_id(id).ok_or_else(|| reader.error(DecodeProblem::UnknownApi(id)))?;
        let version = reader.read_i16()?;
        let correlation_id = reader.read_i32()?;
        let client_id = reader.read_nullable_str(Encoding::Classic)?;
        reader.skip_tags(api.encoding(version))?;
        Ok(Self { api, version, correlation_id, client_id })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_it_wrote_with_and_without_a_client_id() {
        for (version, client_id) in [(8, Some("cid")), (9, Some("")), (9, None), (3, None)] {
            let header =
                RequestHeader { api: ApiKey::Produce, version, correlation_id: -7, client_id };
            let mut out = Vec::new();
            header.encode(&mut out);
            let mut reader = Reader::new(&out);

            assert_eq!(RequestHeader::decode(&mut reader), Ok(header));
            assert_eq!(reader.remaining(), 0);
        }
    }

    #[test]
    fn refuses_an_api_it_does_not_know() {
        let error = RequestHeader::decode(&mut Reader::new(&[0, 99, 0, 0])).unwrap_err();

        assert_eq!(error.to_string(), "unknown API 99 (at byte 2)");
    }
}
