import Kernel

extension ControlPlane {
    /// Everything that is looked at when somebody asks how the installation is, in the order of the answer.
    static func checks(
        _ foundations: Foundations, _ instances: Instances, _ streamUsers: StreamUsers, _ jobs: Jobs
    ) -> Checks {
        let (control, redis, clock) = (foundations.control, foundations.redis, foundations.clock)
        let (layout, places, supervisor) = (foundations.layout, foundations.places, foundations.supervisor)
        let fleet = FleetCheckStore(pool: control)
        let tenants = TenantCheckStore(pool: foundations.brands)
        let servers = ServerChecks(
            control: ServerCheckStore(pool: control), brands: ServerCheckStore(pool: foundations.brands),
            fleet: fleet, redis: redis, supervisor: supervisor,
            directories: [layout.root] + places.watchedDirectories)
        let brands = BrandChecks(
            fleet: fleet, tenants: tenants, streamUsers: streamUsers, keys: foundations.keys, clock: clock)
        let work = WorkChecks(
            fleet: fleet, redis: redis, supervisor: supervisor, jobs: jobs, isTimed: !foundations.runsJobs,
            clock: clock, since: clock.now())
        let leftovers = LeftoverCheck(
            fleet: fleet, tenants: tenants, streamUsers: streamUsers, supervisor: supervisor, layout: layout)
        let keys = KeyChecks(keys: foundations.keys, store: SealedStore(pool: control), clock: clock)
        let backups = BackupChecks(facts: BackupFactsStore(pool: control), clock: clock)
        return Checks(
            servers.all + brands.all + work.all + backups.all + [leftovers.check] + keys.all, clock: clock,
            logger: foundations.logger)
    }
}
