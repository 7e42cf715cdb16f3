//! InitProducerId 0 to 5: a new producer id.
//!
//! - 2: flexible.
//! - 3: the producer's present id and epoch, which matter to transactional producers only. Since: KIP-360.
//!
//! The cluster knows no transactions: a transactional id gets `INVALID_REQUEST`.

use crate::error::ErrorCode;
use crate::mock_cluster::fault::Outcome;
use crate::mock_cluster::handlers::Context;
use crate::protocol::message::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};

pub(in crate::mock_cluster) fn answer(
    request: &InitProducerIdRequest,
    context: &mut Context<'_>,
) -> InitProducerIdResponse {
    let outcome = context.plan.outcome(None);
    let given = match outcome {
        Some(Outcome::Refuse(code)) => Err(code),
        _ if request.transactional_id.is_some() => Err(ErrorCode::InvalidRequest),
        Some(Outcome::ApplyThenFail(code) | Outcome::FailThenApply { code, .. }) => {
            context.world.new_producer_id();
            Err(code)
        }
        None => Ok(context.world.new_producer_id()),
    };
    let throttle_time_ms = context.plan.throttle_ms();
    match given {
        Ok(producer_id) => InitProducerIdResponse {
            throttle_time_ms,
            error_code: ErrorCode::None,
            producer_id,
            producer_epoch: 0,
        },
        Err(error_code) => InitProducerIdResponse {
            throttle_time_ms,
            error_code,
            producer_id: -1,
            producer_epoch: -1,
        },
    }
}
