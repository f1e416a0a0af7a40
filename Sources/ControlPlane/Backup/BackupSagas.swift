import Backup
import Kernel
import Workflow

/// What has to do with backups, put together.
struct BackupSagas: Sendable {
    let backingUp: BackingUp
    let drill: Drill
    let restoring: Restoring
    let recovering: Recovering
    let cloning: Cloning
    let control: ControlBackingUp

    init(
        _ foundations: ControlPlane.Foundations, _ provisioning: Provisioning
    ) {
        let instances = provisioning.instances
        let store = BackupStore(pool: foundations.control, clock: foundations.clock)
        let tenants = TenantStore(
            pool: foundations.archives ?? foundations.brands, clock: foundations.clock)
        let tables = TenantArchiveStore(tenants: tenants)
        let scratch = ScratchSchemaStore(tenants: tenants)
        let refolder = Refolder(instances: instances)
        let room = DiskRoom(directory: foundations.places.databaseDirectory)
        let repositories = BackupRepositories(settings: foundations.backupSettings)
        backingUp = BackingUp(
            archive: BrandArchive(
                tables: tables, control: ControlArchiveStore(pool: foundations.control),
                redis: foundations.redis),
            instances: instances, store: store, repositories: repositories)
        drill = Drill(
            instances: instances, store: store,
            receipts: BackupReceiptStore(pool: foundations.control, clock: foundations.clock),
            repositories: repositories, scratch: scratch, room: room, tables: tables, refolder: refolder,
            key: foundations.keys.receiptKey)
        restoring = Restoring(
            instances: instances, store: store,
            formers: FormerSchemaStore(pool: foundations.control, clock: foundations.clock),
            repositories: repositories, scratch: scratch, room: room, carrying: CarryStore(tenants: tenants),
            refolder: refolder, redis: foundations.redis)
        recovering = Recovering(
            instances: instances, streamUsers: provisioning.streamUsers, keys: foundations.keys,
            store: store, repositories: repositories, scratch: scratch, room: room,
            redis: foundations.redis)
        cloning = Cloning(
            provisioning: provisioning, store: store, repositories: repositories, scratch: scratch,
            room: room, refolder: refolder, redis: foundations.redis)
        control = ControlBackingUp(
            tables: ControlTablesStore(pool: foundations.control, clock: foundations.clock),
            keys: foundations.keys, store: store, repositories: repositories)
    }

    /// Every kind.
    var all: [Saga] {
        [backingUp.saga, drill.saga, control.saga, recovering.saga, cloning.saga] + restoring.sagas
    }

    /// What brings a lost installation back.
    func recovery(_ backups: Backups) -> PlatformRecovery {
        PlatformRecovery(
            tables: control.tables, keys: control.keys, repositories: control.repositories,
            operations: backups)
    }

    /// What begins them.
    func backups(
        _ intents: BrandIntentStore, _ operations: OperationStore, _ executor: SagaExecutor
    ) -> Backups {
        Backups(
            store: backingUp.store, receipts: drill.receipts, formers: restoring.formers,
            scratch: drill.scratch, brands: cloning.provisioning.brands, intents: intents,
            operations: operations, executor: executor,
            backingUp: backingUp.saga, drill: drill.saga, restore: restoring.restore,
            swapBack: restoring.swapBack, recovery: recovering.saga, cloning: cloning.saga,
            controlBackup: control.saga,
            tenants: restoring.instances.tenants, receiptKey: drill.key.publicKey, clock: intents.clock)
    }
}

extension ControlPlane.Foundations {
    /// Where backups are kept, and with which password: the installation's own where none is configured.
    fileprivate var backupSettings: BackupRepository.Settings {
        places.backups
            ?? BackupRepository.Settings(
                base: layout.backups, passwordFile: keys.backupPasswordFile,
                cacheDirectory: "\(layout.root)/cache")
    }
}
