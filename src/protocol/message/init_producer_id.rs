//! Mirrors `InitProducerIdRequest` and `InitProducerIdResponse`: an id and an epoch under which a producer numbers its
//! batches.

use crate::error::ErrorCode;
use crate::protocol::api_keys::ApiKey;
use crate::protocol::readable::{DecodeError, Reader};
use crate::protocol::writable::Writable;

/// Asks for a producer id, or for the next epoch of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InitProducerIdRequest {
    /// `None` if the producer is not transactional.
    pub(crate) transactional_id: Option<String>,
    /// How long the coordinator lets a transaction idle; without meaning where there is no transactional id.
    pub(crate) transaction_timeout_ms: i32,
    /// 3+: the id whose epoch is to rise, or -1. Since: KIP-360.
    pub(crate) producer_id: i64,
    /// 3+: the epoch of that id, or -1. Since: KIP-360.
    pub(crate) producer_epoch: i16,
}

impl Default for InitProducerIdRequest {
    fn default() -> Self {
        Self {
            transactional_id: None,
            transaction_timeout_ms: i32::MAX,
            producer_id: -1,
            producer_epoch: -1,
        }
    }
}

impl InitProducerIdRequest {
    pub(crate) fn encode(&self, version: i16, out: &mut Vec<u8>) {
        let encoding = ApiKey::InitProducerId.encoding(version);
        out.put_nullable_string(self.transactional_id.as_deref(), encoding);
        out.put_i32(self.transaction_timeout_ms);
        if version >= 3 {
            out.put_i64(self.producer_id);
            out.put_i16(self.producer_epoch);
        }
        out.put_no_tags(encoding);
    }

    pub(crate) fn decode(version: i16, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let encoding = ApiKey::InitProducerId.encoding(version);
        let request = Self {
            transactional_id: reader.read_nullable_string(encoding)?,
            transaction_timeout_ms: reader.read_i32()?,
            producer_id: if version >= 3 { reader.read_i64()? } else { -1 },
            producer_epoch: if version >= 3 { reader.read_i16()? } else { -1 },
        };
        reader.skip_tags(encoding)?;
        Ok(request)
    }
}

/// The id and epoch to use from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InitProducerIdResponse {
    /// For how long the broker holds back this client's requests.
    pub(crate) throttle_time_ms: i32,
    pub(crate) error_code: ErrorCode,
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
}

impl Default for InitProducerIdResponse {
    fn default() -> Self {
        Self {
            throttle_time_ms: 0,
            error_code: ErrorCode::None,
            producer_id: -1,
            producer_epoch: 0,
        }
    }
}

impl InitProducerIdResponse {
    pub(crate) fn encode(&self, version: i16, out: &mut Vec<u8>) {
        out.put_i32(self.throttle_time_ms);
        out.put_error_code(self.error_code);
        out.put_i64(self.producer_id);
        out.put_i16(self.producer_epoch);
        out.put_no_tags(ApiKey::InitProducerId.encoding(version));
    }

    pub(crate) fn decode(version: i16, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let response = Self {
            throttle_time_ms: reader.read_i32()?,
            error_code: reader.read_error_code()?,
            producer_id: reader.read_i64()?,
            producer_epoch: reader.read_i16()?,
        };
        reader.skip_tags(ApiKey::InitProducerId.encoding(version))?;
        Ok(response)
    }
}
