export { STAGE_COUNT, stageOf } from '../../contract/ordering/stages.ts'
