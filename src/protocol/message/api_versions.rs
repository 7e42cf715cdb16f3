//! Mirrors `ApiVersionsRequest` and `ApiVersionsResponse`: which versions of which APIs a broker speaks.

use crate::error::ErrorCode;
use crate::protocol::api_keys::ApiKey;
use crate::protocol::readable::{DecodeError, Reader};
use crate::protocol::writable::{TaggedField, Writable};

/// The first request on every connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ApiVersionsRequest {
    /// 3+: the client library's name. Since: KIP-511.
    pub(crate) client_software_name: String,
    /// 3+: the client library's version. Since: KIP-511.
    pub(crate) client_software_version: String,
}

impl ApiVersionsRequest {
    pub(crate) fn encode(&self, version: i16, out: &mut Vec<u8>) {
        let encoding = ApiKey::ApiVersions.encoding(version);
        if version >= 3 {
            out.put_string(&self.client_software_name, encoding);
            out.put_string(&self.client_software_version, encoding);
        }
        out.put_no_tags(encoding);
    }

    pub(crate) fn decode(version: i16, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let encoding = ApiKey::ApiVersions.encoding(version);
        let mut request = Self::default();
        if version >= 3 {
            request.client_software_name = reader.read_string(encoding)?;
            request.client_software_version = reader.read_string(encoding)?;
        }
        reader.skip_tags(encoding)?;
        Ok(request)
    }
}

/// What a broker speaks. A broker that does not know the request's version answers as version 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiVersionsResponse {
    pub(crate) error_code: ErrorCode,
    pub(crate) api_keys: Vec<ApiVersion>,
    /// 1+: for how long the broker holds back this client's requests.
    pub(crate) throttle_time_ms: i32,
    /// 3+, tagged.
    pub(crate) supported_features: Vec<SupportedFeatureKey>,
    /// 3+, tagged: grows with the finalized features, -1 while they are unknown.
    pub(crate) finalized_features_epoch: i64,
    /// 3+, tagged: the cluster's feature levels. Valid with an epoch of 0 or more.
    pub(crate) finalized_features: Vec<FinalizedFeatureKey>,
    /// 3+, tagged.
    pub(crate) zk_migration_ready: bool,
}

/// The versions of one API, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ApiVersion {
    pub(crate) api_key: i16,
    pub(crate) min_version: i16,
    pub(crate) max_version: i16,
}

/// The levels of one feature that the broker supports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SupportedFeatureKey {
    pub(crate) name: String,
    pub(crate) min_version: i16,
    pub(crate) max_version: i16,
}

/// The levels of one feature on which the cluster has settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FinalizedFeatureKey {
    pub(crate) name: String,
    pub(crate) max_version_level: i16,
    pub(crate) min_version_level: i16,
}

const SUPPORTED_FEATURES: u32 = 0;
const FINALIZED_FEATURES_EPOCH: u32 = 1;
const FINALIZED_FEATURES: u32 = 2;
const ZK_MIGRATION_READY: u32 = 3;

impl Default for ApiVersionsResponse {
    fn default() -> Self {
        Self {
            error_code: ErrorCode::None,
            api_keys: Vec::new(),
            throttle_time_ms: 0,
            supported_features: Vec::new(),
            finalized_features_epoch: -1,
            finalized_features: Vec::new(),
            zk_migration_ready: false,
        }
    }
}

impl ApiVersionsResponse {
    pub(crate) fn encode(&self, version: i16, out: &mut Vec<u8>) {
        let encoding = ApiKey::ApiVersions.encoding(version);
        out.put_error_code(self.error_code);
        out.put_array(&self.api_keys, encoding, |api, out| api.encode(version, out));
        if version >= 1 {
            out.put_i32(self.throttle_time_ms);
        }
        out.put_tags(&self.tagged_fields(version), encoding);
    }

    pub(crate) fn decode(version: i16, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let encoding = ApiKey::ApiVersions.encoding(version);
        let mut response = Self {
            error_code: reader.read_error_code()?,
            api_keys: reader.read_array(encoding, |reader| ApiVersion::decode(version, reader))?,
            throttle_time_ms: if version >= 1 { reader.read_i32()? } else { 0 },
            ..Self::default()
        };
        reader.read_tags(encoding, |tag, field| response.decode_tagged(version, tag, field))?;
        Ok(response)
    }

    /// The fields that differ from their defaults.
    fn tagged_fields(&self, version: i16) -> Vec<TaggedField> {
        let encoding = ApiKey::ApiVersions.encoding(version);
        let mut fields = Vec::new();
        if !self.supported_features.is_empty() {
            fields.push(TaggedField::new(SUPPORTED_FEATURES, |out| {
                out.put_array(&self.supported_features, encoding, |key, out| {
                    key.encode(version, out);
                });
            }));
        }
        if self.finalized_features_epoch != -1 {
            let epoch = self.finalized_features_epoch;
            fields.push(TaggedField::new(FINALIZED_FEATURES_EPOCH, |out| out.put_i64(epoch)));
        }
        if !self.finalized_features.is_empty() {
            fields.push(TaggedField::new(FINALIZED_FEATURES, |out| {
                out.put_array(&self.finalized_features, encoding, |key, out| {
                    key.encode(version, out);
                });
            }));
        }
        if self.zk_migration_ready {
            fields.push(TaggedField::new(ZK_MIGRATION_READY, |out| out.put_bool(true)));
        }
        fields
    }

    fn decode_tagged(
        &mut self,
        version: i16,
        tag: u32,
        field: &mut Reader<'_>,
    ) -> Result<(), DecodeError> {
        let encoding = ApiKey::ApiVersions.encoding(version);
        match tag {
            SUPPORTED_FEATURES => {
                self.supported_features = field
                    .read_array(encoding, |field| SupportedFeatureKey::decode(version, field))?;
            }
            FINALIZED_FEATURES_EPOCH => self.finalized_features_epoch = field.read_i64()?,
            FINALIZED_FEATURES => {
                self.finalized_features = field
                    .read_array(encoding, |field| FinalizedFeatureKey::decode(version, field))?;
            }
            ZK_MIGRATION_READY => self.zk_migration_ready = field.read_bool()?,
            _ => {}
        }
        Ok(())
    }
}

impl ApiVersion {
    fn encode(self, version: i16, out: &mut Vec<u8>) {
        out.put_i16(self.api_key);
        out.put_i16(self.min_version);
        out.put_i16(self.max_version);
        out.put_no_tags(ApiKey::ApiVersions.encoding(version));
    }

    fn decode(version: i16, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let api = Self {
            api_key: reader.read_i16()?,
            min_version: reader.read_i16()?,
            max_version: reader.read_i16()?,
        };
        reader.skip_tags(ApiKey::ApiVersions.encoding(version))?;
        Ok(api)
    }
}

impl SupportedFeatureKey {
    fn encode(&self, version: i16, out: &mut Vec<u8>) {
        let encoding = ApiKey::ApiVersions.encoding(version);
        out.put_string(&self.name, encoding);
        out.put_i16(self.min_version);
        out.put_i16(self.max_version);
        out.put_no_tags(encoding);
    }

    fn decode(version: i16, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let encoding = ApiKey::ApiVersions.encoding(version);
        let key = Self {
            name: reader.read_string(encoding)?,
            min_version: reader.read_i16()?,
            max_version: reader.read_i16()?,
        };
        reader.skip_tags(encoding)?;
        Ok(key)
    }
}

impl FinalizedFeatureKey {
    fn encode(&self, version: i16, out: &mut Vec<u8>) {
        let encoding = ApiKey::ApiVersions.encoding(version);
        out.put_string(&self.name, encoding);
        out.put_i16(self.max_version_level);
        out.put_i16(self.min_version_level);
        out.put_no_tags(encoding);
    }

    fn decode(version: i16, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let encoding = ApiKey::ApiVersions.encoding(version);
        let key = Self {
            name: reader.read_string(encoding)?,
            max_version_level: reader.read_i16()?,
            min_version_level: reader.read_i16()?,
        };
        reader.skip_tags(encoding)?;
        Ok(key)
    }
}
