//! Users, their limits and what they use of them.

use chrono::{DateTime, Utc};
use minimcp_entities::{keyring, mcp_credential, mcp_instance, user};
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, Set,
};
use uuid::Uuid;

use super::error::on_duplicate;
use super::instances::{counted, running};
use super::integrity::Intact;
use super::{Conflict, Cursor, NewToken, Noun, Page, PageRequest, Remembered, Store, StoreError, micros};

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything.
    Admin,
    /// Reads everything but secrets, changes nothing.
    Operator,
    /// Everything with what is theirs.
    User,
}

impl Role {
    /// The name in the API and the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Operator => "operator",
            Self::User => "user",
        }
    }

    /// The role with this name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Admin, Self::Operator, Self::User].into_iter().find(|role| role.as_str() == name)
    }

    /// The role of a stored user.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if the row holds another word: then it was not this program that wrote it.
    pub fn of(user: &user::Model) -> Result<Self, StoreError> {
        Self::from_name(&user.role).ok_or(StoreError::Corrupt { table: "users", column: "role" })
    }
}

/// How many of each a user may have. `None` stands for the default, and for no limit in a default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quota {
    /// Instances, running or not.
    pub max_instances: Option<u32>,
    /// Instances that run or are about to.
    pub max_running: Option<u32>,
    /// Credential sets.
    pub max_credentials: Option<u32>,
}

impl Quota {
    /// The limits of a user, with those of `defaults` where they have none of their own.
    #[must_use]
    pub fn of(user: &user::Model, defaults: Self) -> Self {
        let own = |limit: Option<i64>| limit.map(|limit| u32::try_from(limit.max(0)).unwrap_or(u32::MAX));
        Self {
            max_instances: own(user.max_instances).or(defaults.max_instances),
            max_running: own(user.max_running).or(defaults.max_running),
            max_credentials: own(user.max_credentials).or(defaults.max_credentials),
        }
    }
}

/// What a user has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Instances, running or not.
    pub instances: u64,
    /// Instances that run or are about to.
    pub running: u64,
    /// Credential sets.
    pub credentials: u64,
}

/// A user to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewUser {
    /// UUIDv7.
    pub id: Uuid,
    /// Unique.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Their own limits.
    pub quota: Quota,
    /// Now.
    pub created_at: DateTime<Utc>,
}

impl NewUser {
    /// The row as it will be stored, for an answer that is built before the row is.
    #[must_use]
    pub fn row(&self) -> user::Model {
        user::Model {
            id: self.id,
            name: self.name.clone(),
            role: self.role.as_str().to_owned(),
            max_instances: self.quota.max_instances.map(i64::from),
            max_running: self.quota.max_running.map(i64::from),
            max_credentials: self.quota.max_credentials.map(i64::from),
            created_at: micros(self.created_at),
            mac: Vec::new(),
        }
    }
}

/// What is to change of a user. `None` leaves it; `Some(None)` of a limit goes back to the default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserChange {
    /// A new name.
    pub name: Option<String>,
    /// A new role.
    pub role: Option<Role>,
    /// A new limit of instances.
    pub max_instances: Option<Option<u32>>,
    /// A new limit of running instances.
    pub max_running: Option<Option<u32>>,
    /// A new limit of credential sets.
    pub max_credentials: Option<Option<u32>>,
}

impl Store {
    /// Makes a user, with a data key of their own.
    ///
    /// # Errors
    /// [`Conflict::UserName`].
    pub async fn create_user(&self, new: NewUser) -> Result<user::Model, StoreError> {
        self.create_user_once(new, None).await
    }

    /// Makes a user and remembers the answer to the request for them: both or nothing.
    ///
    /// # Errors
    /// [`Conflict::UserName`], [`Conflict::IdempotencyKey`].
    pub async fn create_user_once(
        &self,
        new: NewUser,
        answer: Option<Remembered>,
    ) -> Result<user::Model, StoreError> {
        // The master key stays the same until the user's key is stored under it.
        let _stays = self.rewrapping.read().await;
        let transaction = self.begin().await?;
        let (user, key) = self.insert_user(&transaction, &new).await?;
        if let Some(answer) = answer {
            self.insert_answer(&transaction, answer).await?;
        }
        transaction.commit().await?;
        self.vault.hold(key);
        Ok(user)
    }

    /// Makes a user together with a first token: both or nothing, or nobody could ever sign in as them.
    ///
    /// # Errors
    /// [`Conflict::UserName`].
    pub async fn create_user_with_token(&self, new: NewUser, token: NewToken) -> Result<(), StoreError> {
        // The master key stays the same until the user's key is stored under it.
        let _stays = self.rewrapping.read().await;
        let transaction = self.begin().await?;
        let (_, key) = self.insert_user(&transaction, &new).await?;
        self.insert_token(&transaction, token).await?;
        transaction.commit().await?;
        self.vault.hold(key);
        Ok(())
    }

    /// Writes a user and their data key, which the vault may hold once that is committed. Until then the master
    /// key has to stay as it is.
    pub(super) async fn insert_user(
        &self,
        connection: &impl ConnectionTrait,
        new: &NewUser,
    ) -> Result<(user::Model, keyring::Model), StoreError> {
        let key = self.vault.new_user_key(new.id, micros(new.created_at))?;
        let user = self.insert(connection, new.row()).await.map_err(on_duplicate(Conflict::UserName))?;
        key.clone().into_active_model().insert(connection).await?;
        Ok((user, key))
    }

    /// The user with this id.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn user(&self, id: Uuid) -> Result<user::Model, StoreError> {
        Ok(self.found_user(&self.reader, id).await?.into_row())
    }

    /// The user with this name, if there is one.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn user_by_name(&self, name: &str) -> Result<Option<user::Model>, StoreError> {
        Ok(user::Entity::find().filter(user::COLUMN.name.eq(name)).one(&self.reader).await?)
    }

    /// All users, newest first.
    ///
    /// # Errors
    /// [`StoreError::InvalidCursor`].
    pub async fn users(&self, page: &PageRequest) -> Result<Page<user::Model>, StoreError> {
        let mut query = user::Entity::find().order_by_desc(user::Column::Id).limit(page.limit() + 1);
        if let Some(id) = page.after_id()? {
            query = query.filter(user::COLUMN.id.lt(id));
        }
        Ok(Page::cut(query.all(&self.reader).await?, page, |user| Cursor::Id(user.id)))
    }

    /// How many users there are.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn count_users(&self) -> Result<u64, StoreError> {
        Ok(user::Entity::find().count(&self.reader).await?)
    }

    /// Changes a user.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`Conflict::UserName`]; [`Conflict::LastAdministrator`] if nobody were left
    /// to administer.
    pub async fn update_user(&self, id: Uuid, change: UserChange) -> Result<user::Model, StoreError> {
        let transaction = self.begin().await?;
        if change.role.is_some_and(|role| role != Role::Admin) {
            self.leave_an_administrator(&transaction, id).await?;
        }
        let mut row = self.locked_user(&transaction, id).await?.change();
        if let Some(name) = change.name {
            row.name = Set(name);
        }
        if let Some(role) = change.role {
            row.role = Set(role.as_str().to_owned());
        }
        if let Some(limit) = change.max_instances {
            row.max_instances = Set(limit.map(i64::from));
        }
        if let Some(limit) = change.max_running {
            row.max_running = Set(limit.map(i64::from));
        }
        if let Some(limit) = change.max_credentials {
            row.max_credentials = Set(limit.map(i64::from));
        }
        let user = self.update(&transaction, row).await.map_err(on_duplicate(Conflict::UserName))?;
        transaction.commit().await?;
        Ok(user)
    }

    /// Whether a user might be deleted if they had no instances.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`Conflict::LastAdministrator`].
    pub async fn check_deletable(&self, id: Uuid) -> Result<(), StoreError> {
        let transaction = self.begin().await?;
        self.leave_an_administrator(&transaction, id).await?;
        held(&transaction, id).await.map(drop)
    }

    /// Deletes a user with their tokens, credential sets and remembered answers.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`Conflict::UserInUse`] while they have instances, whose processes have to end
    /// first; [`Conflict::LastAdministrator`].
    pub async fn delete_user(&self, id: Uuid) -> Result<(), StoreError> {
        let transaction = self.begin().await?;
        self.leave_an_administrator(&transaction, id).await?;
        held(&transaction, id).await?;
        let instances = mcp_instance::Entity::find()
            .filter(mcp_instance::COLUMN.user_id.eq(id))
            .count(&transaction)
            .await?;
        if instances > 0 {
            return Err(Conflict::UserInUse { instances }.into());
        }
        user::Entity::delete_by_id(id).exec(&transaction).await?;
        transaction.commit().await?;
        self.vault.forget_user(id);
        self.wipe_deleted().await
    }

    /// What a user has, to show beside their limits.
    ///
    /// # Errors
    /// Only what every method can fail with; a user that does not exist has nothing.
    pub async fn usage(&self, id: Uuid) -> Result<Usage, StoreError> {
        Ok(Usage {
            instances: counted(id).count(&self.reader).await?,
            running: running(id).count(&self.reader).await?,
            credentials: mcp_credential::Entity::find()
                .filter(mcp_credential::COLUMN.user_id.eq(id))
                .count(&self.reader)
                .await?,
        })
    }

    async fn found_user(
        &self,
        connection: &impl ConnectionTrait,
        id: Uuid,
    ) -> Result<Intact<user::Model>, StoreError> {
        let row = user::Entity::find_by_id(id).one(connection).await?;
        self.intact(row.ok_or(StoreError::NotFound(Noun::User))?)
    }

    /// The user, held against other transactions that count what the user has.
    pub(super) async fn locked_user(
        &self,
        connection: &impl ConnectionTrait,
        id: Uuid,
    ) -> Result<Intact<user::Model>, StoreError> {
        self.intact(held(connection, id).await?)
    }

    /// Refuses what would take the last administrator away. Two administrators who remove each other at the same
    /// time queue here.
    async fn leave_an_administrator(
        &self,
        connection: &impl ConnectionTrait,
        id: Uuid,
    ) -> Result<(), StoreError> {
        let administrators = self.administrators(connection).await?;
        if administrators.as_slice() == [id] { Err(Conflict::LastAdministrator.into()) } else { Ok(()) }
    }

    /// All administrators, held against other transactions. Who was made one by somebody else is none.
    pub(super) async fn administrators(
        &self,
        connection: &impl ConnectionTrait,
    ) -> Result<Vec<Uuid>, StoreError> {
        let query = user::Entity::find()
            .filter(user::COLUMN.role.eq(Role::Admin.as_str()))
            .order_by_asc(user::Column::Id)
            .lock_exclusive();
        let rows = query.all(connection).await?;
        Ok(rows.into_iter().filter_map(|row| self.intact(row).ok()).map(|user| user.id).collect())
    }
}

/// The user, held and as stored, which may not be as it was written.
pub(super) async fn held(connection: &impl ConnectionTrait, id: Uuid) -> Result<user::Model, StoreError> {
    let query = user::Entity::find_by_id(id).lock_exclusive();
    query.one(connection).await?.ok_or(StoreError::NotFound(Noun::User))
}
