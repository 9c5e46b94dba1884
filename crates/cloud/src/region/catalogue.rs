//! What AWS offers: regions, instance types, images, parameters.

use super::{
    Filter, IDS_PER_CALL, Query, Region, VALUES_PER_FILTER, in_batches, incomplete, missing, next_page, pages, texts,
};
use crate::{
    calls::{actions, caller::Ask},
    convert,
    error::CloudError,
    ids::{ImageId, KernelId, RegionName},
    kernels::{self, Kernel, PvGrub, Successor},
    model::{Image, InstanceType, KnownRegion},
    request::ImageRequest,
};
use aws_sdk_ec2::types::{LocationType, ResourceType};
use std::collections::BTreeSet;

/// Images of one page.
const IMAGE_PAGE: i32 = 1000;
/// Types of one page: EC2 allows no more.
const TYPE_PAGE: i32 = 100;
/// Offerings of one page.
const OFFERING_PAGE: i32 = 1000;

impl Region {
    pub(crate) async fn known_regions(&self) -> Result<Vec<KnownRegion>, CloudError> {
        let ask = Ask::new(&actions::DESCRIBE_REGIONS, "");
        let answer = self
            .caller
            .call(ask, || self.ec2.describe_regions().all_regions(true).send())
            .await?;
        let known = answer.regions.unwrap_or_default().into_iter().filter_map(|region| {
            Some(KnownRegion {
                name: RegionName::from_api(region.region_name?),
                enabled: region.opt_in_status.as_deref() != Some("not-opted-in"),
            })
        });
        Ok(known.collect::<BTreeSet<KnownRegion>>().into_iter().collect())
    }

    pub(crate) async fn enabled_regions(&self) -> Result<Vec<RegionName>, CloudError> {
        let ask = Ask::new(&actions::DESCRIBE_REGIONS, "");
        let answer = self
            .caller
            .call(ask, || self.ec2.describe_regions().all_regions(false).send())
            .await?;
        let names = answer
            .regions
            .unwrap_or_default()
            .into_iter()
            .filter_map(|region| region.region_name);
        Ok(names
            .map(RegionName::from_api)
            .collect::<BTreeSet<RegionName>>()
            .into_iter()
            .collect())
    }

    /// Instance types by their names. Those that the region does not know are left out.
    ///
    /// # Errors
    /// What a call can fail with.
    pub async fn instance_types(&self, names: &[String]) -> Result<Vec<InstanceType>, CloudError> {
        let mut found = Vec::new();
        // Asked for by a filter: the names themselves fail as a whole when the region lacks one.
        for names in names.chunks(VALUES_PER_FILTER) {
            found.extend(
                self.instance_types_where(&[Filter::new("instance-type", names.iter().cloned())])
                    .await?,
            );
        }
        Ok(found)
    }

    /// Instance types that pass all filters, such as `supported-virtualization-type`, `processor-info.supported-architecture`
    /// or `hypervisor`.
    ///
    /// # Errors
    /// What a call can fail with.
    pub async fn instance_types_where(&self, filters: &[Filter]) -> Result<Vec<InstanceType>, CloudError> {
        let query = Query::Filters(filters.to_vec());
        Ok(pages!(
            *self,
            &actions::DESCRIBE_INSTANCE_TYPES,
            query,
            TYPE_PAGE,
            "an instance type",
            instance_types,
            convert::instance_type,
            |ec2| ec2.describe_instance_types()
        ))
    }

    /// Names of the instance types that an availability zone offers.
    ///
    /// # Errors
    /// What a call can fail with.
    pub async fn offerings(&self, zone: &str) -> Result<BTreeSet<String>, CloudError> {
        let query = Query::Filters(vec![Filter::new("location", [zone])]);
        let found: Vec<String> = pages!(
            *self,
            &actions::DESCRIBE_INSTANCE_TYPE_OFFERINGS,
            query,
            OFFERING_PAGE,
            "an offering",
            instance_type_offerings,
            convert::offering,
            |ec2| ec2
                .describe_instance_type_offerings()
                .location_type(LocationType::AvailabilityZone)
        );
        Ok(found.into_iter().collect())
    }

    /// Images by their names, deprecated ones too. Those that are not there are left out.
    ///
    /// # Errors
    /// What a call can fail with.
    pub async fn images(&self, ids: &[ImageId]) -> Result<Vec<Image>, CloudError> {
        in_batches(texts(ids), IDS_PER_CALL, "image-id", async |query| {
            self.all_images(query, None).await
        })
        .await
    }

    /// One image.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound), and what a call can fail with.
    pub async fn image(&self, id: &ImageId) -> Result<Image, CloudError> {
        let found = self.images(std::slice::from_ref(id)).await?;
        found
            .into_iter()
            .next()
            .ok_or_else(|| missing(&actions::DESCRIBE_IMAGES, id))
    }

    /// Kernel images by their names. Those that are not there are left out.
    ///
    /// # Errors
    /// What a call can fail with.
    pub async fn kernels(&self, ids: &[KernelId]) -> Result<Vec<Image>, CloudError> {
        in_batches(texts(ids), IDS_PER_CALL, "image-id", async |query| {
            self.all_images(query, None).await
        })
        .await
    }

    /// What a kernel image is, and the newest PV-GRUB that this region has to follow it, if there is one. Two calls.
    ///
    /// # Errors
    /// What a call can fail with.
    pub async fn loader(&self, id: &KernelId) -> Result<(Kernel, Option<Successor>), CloudError> {
        let images = self.kernels(std::slice::from_ref(id)).await?;
        let name = images.first().and_then(|image| image.name.as_deref());
        let kernel = kernels::identify(self.name(), id, name);
        let Kernel::PvGrub { name, .. } = &kernel else {
            return Ok((kernel, None));
        };
        let filters = [
            Filter::new("name", ["pv-grub-hd0*"]),
            Filter::new("image-type", ["kernel"]),
        ];
        let offered = self.images_where(Some("amazon"), &filters).await?;
        let successor = PvGrub::parse(name)
            .and_then(|of| kernels::successor(of, &offered))
            .and_then(|(image, found)| {
                Some(Successor {
                    kernel: image.id.parse().ok()?,
                    name: image.name.clone()?,
                    version: found.version,
                })
            });
        Ok((kernel, successor))
    }

    /// Images of an owner (`self`, `amazon`, an account; nothing for all) that pass all filters, deprecated ones too.
    ///
    /// # Errors
    /// What a call can fail with.
    pub async fn images_where(&self, owner: Option<&str>, filters: &[Filter]) -> Result<Vec<Image>, CloudError> {
        self.all_images(Query::Filters(filters.to_vec()), owner).await
    }

    async fn all_images(&self, query: Query, owner: Option<&str>) -> Result<Vec<Image>, CloudError> {
        Ok(pages!(
            *self,
            &actions::DESCRIBE_IMAGES,
            query,
            IMAGE_PAGE,
            "an image",
            images,
            convert::image,
            |ec2| ec2
                .describe_images()
                .include_deprecated(true)
                .set_image_ids(query.ids())
                .set_owners(owner.map(|owner| vec![owner.to_owned()]))
        ))
    }

    /// The image that a public parameter names, such as
    /// `/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when the region has no such parameter, and what a call can fail
    /// with.
    pub async fn newest_image(&self, parameter: &str) -> Result<ImageId, CloudError> {
        let action = &actions::GET_PARAMETER;
        let answer = self
            .caller
            .call(Ask::new(action, parameter), || {
                self.ssm.get_parameter().name(parameter).send()
            })
            .await?;
        let value = answer.parameter.and_then(|parameter| parameter.value);
        value
            .and_then(|value| value.trim().parse().ok())
            .ok_or_else(|| incomplete(action, parameter, "a value that is not an image, or one"))
    }

    /// Makes an image of snapshots.
    ///
    /// # Errors
    /// [`ErrorKind::AlreadyExists`](crate::ErrorKind::AlreadyExists) when its name is taken, also by an earlier attempt whose
    /// answer was lost; what a call can fail with.
    pub async fn register_image(&self, request: &ImageRequest) -> Result<ImageId, CloudError> {
        let action = &actions::REGISTER_IMAGE;
        let answer = self
            .caller
            .call(Ask::new(action, request.name.as_str()), || {
                self.ec2
                    .register_image()
                    .name(&request.name)
                    .description(&request.description)
                    .architecture(request.architecture.as_str().into())
                    .virtualization_type(request.virtualization.as_str())
                    .set_kernel_id(request.kernel.as_ref().map(ToString::to_string))
                    .set_ramdisk_id(request.ramdisk.as_ref().map(ToString::to_string))
                    .root_device_name(&request.root_device_name)
                    .set_block_device_mappings(Some(request.devices.iter().map(convert::device).collect()))
                    .set_ena_support(request.ena_support.then_some(true))
                    .set_sriov_net_support(request.sriov.then(|| "simple".to_owned()))
                    .set_boot_mode(request.boot_mode.as_deref().map(Into::into))
                    .set_tag_specifications(convert::tag_specifications(ResourceType::Image, &request.tags))
                    .send()
            })
            .await?;
        answer
            .image_id
            .map(ImageId::from_api)
            .ok_or_else(|| incomplete(action, request.name.as_str(), "an image"))
    }

    /// Removes an image. Its snapshots stay.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when it is gone already; what a call can fail with.
    pub async fn deregister_image(&self, id: &ImageId) -> Result<(), CloudError> {
        let ask = Ask::new(&actions::DEREGISTER_IMAGE, id.as_str());
        self.caller
            .call(ask, || self.ec2.deregister_image().image_id(id.as_str()).send())
            .await
            .map(drop)
    }
}
