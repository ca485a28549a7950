//! What the store promises, on SQLite and on PostgreSQL alike: every promise is one function that gets an empty,
//! migrated store, and [`contract`] makes two tests of it.

mod credentials;
mod identity;
mod instances;
mod integrity;
mod journal;
mod keyring;
mod limits;
mod migrations;
mod round_trip;
pub(crate) mod scratch;
mod settings;
mod trends;
mod types;
mod unlock;
mod webhooks;
mod wiping;
mod wishes;

macro_rules! contract {
    ($($room:ident: $($promise:ident),+ $(,)?;)+) => {
        mod sqlite {
            $($(#[tokio::test]
            async fn $promise() {
                let scratch = super::scratch::Scratch::sqlite().await;
                super::$room::$promise(&scratch.store).await;
                scratch.remove().await;
            })+)+
        }
        mod postgres {
            $($(#[tokio::test]
            async fn $promise() {
                let scratch = super::scratch::Scratch::postgres().await;
                super::$room::$promise(&scratch.store).await;
                scratch.remove().await;
            })+)+
        }
    };
}

contract! {
    identity:
        names_of_users_are_unique,
        a_user_changes_only_as_asked,
        a_user_with_instances_cannot_be_deleted,
        a_token_lets_in_until_it_expires_or_is_revoked,
        users_and_tokens_are_listed_page_by_page_newest_first,
        somebody_can_always_administer,
        ended_tokens_are_forgotten_in_time,
        a_subject_of_an_issuer_is_one_user;
    settings:
        the_newest_audit_record_takes_the_place_of_the_one_before;
    types:
        a_type_is_registered_once_and_replaced_whole,
        a_type_in_use_cannot_be_deleted,
        seeds_follow_the_program_until_an_administrator_replaces_them,
        types_are_listed_by_name;
    credentials:
        a_credential_set_is_replaced_only_at_the_version_that_was_read,
        names_of_credential_sets_are_unique_for_a_user_and_type,
        a_credential_set_in_use_cannot_be_deleted,
        credential_sets_of_others_are_not_found,
        sets_that_expire_are_read_in_order_until_their_expiry_was_told;
    instances:
        an_instance_needs_its_user_its_type_and_a_credential_set_of_both,
        an_instance_and_the_answer_for_it_are_stored_together_or_not_at_all,
        old_answers_are_forgotten,
        instances_are_filtered_and_paged;
    wishes:
        what_the_owner_wants_is_written_down,
        a_deletion_cannot_be_taken_back,
        the_old_access_token_is_kept_only_for_an_overlap;
    limits:
        instances_beyond_the_limit_are_refused,
        running_instances_beyond_the_limit_are_refused,
        limits_hold_against_many_at_once,
        credential_sets_beyond_the_limit_are_refused,
        usage_counts_what_the_limits_count;
    keyring:
        a_user_has_a_key_from_the_start_and_none_at_the_end,
        a_rotation_moves_every_record_to_new_keys_and_nothing_else_of_them,
        what_is_sealed_under_a_key_that_is_gone_is_not_stored,
        a_record_that_cannot_be_opened_keeps_its_key_and_holds_nobody_up;
    journal:
        a_batch_may_be_written_twice,
        an_older_entry_never_overwrites_a_newer,
        entries_of_deleted_instances_are_skipped,
        the_journal_and_the_owner_do_not_touch_each_others_columns,
        history_is_read_in_both_directions,
        old_history_is_forgotten_but_for_the_last_of_each_instance,
        times_are_touched_in_batches;
}
